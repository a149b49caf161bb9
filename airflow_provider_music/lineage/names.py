# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a file in a store is called elsewhere: as Airflow's asset, in OpenLineage, and in a browser."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote, urlsplit

#: Of datasets that lie with the API: references and generations, by the ids that it gave.
API_NAMESPACE = "aimlapi"
_FILES = ("", "file", "local")
# What a URI may hold as it stands; "#" and "?" would end the path, and Airflow 2.11 takes ASCII only.
_PLAIN = "/:@!$&'()*+,;=~%-._ []"


def dataset_of(url: str) -> tuple[str, str]:
    """Return OpenLineage's namespace and name of a file: ``("s3://bucket", "songs/a.mp3")``, ``("file", "/a.mp3")``."""
    scheme, host, path = _parts(url)
    if scheme in _FILES:
        return "file", path
    return f"{scheme}://{host}", path.lstrip("/")


def dataset_of_foreign_url(url: str) -> tuple[str, str] | None:
    """Return the same of a URL that may be signed: its host, and a hash of its path, from which no key can be read."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if not host:
        return None
    return f"{parts.scheme}://{host}", f"sha256/{hashlib.sha256(parts.path.encode()).hexdigest()}"


def asset_uri(url: str) -> str:
    """Return a URI that Airflow takes for an asset of this file, without the connection in it."""
    scheme, host, path = _parts(url)
    scheme = "file" if scheme in _FILES else scheme
    return f"{scheme}://{host}{quote(path, safe=_PLAIN)}"


def page_of(url: str) -> str | None:
    """Return the page on which a browser shows a file or, of a URL that ends in a slash, a folder; None if none does.

    Never a signed URL: who opens it signs in to the store.
    """
    scheme, host, path = _parts(url)
    key = quote(path.lstrip("/"))
    if scheme in ("http", "https"):
        return f"{scheme}://{host}{quote(path)}"
    if scheme in ("s3", "s3a"):
        kind = "buckets" if path.endswith("/") else "object"
        return f"https://s3.console.aws.amazon.com/s3/{kind}/{host}?prefix={key}"
    if scheme in ("gs", "gcs"):
        folder = path.endswith("/")
        return f"https://console.cloud.google.com/storage/browser/{'' if folder else '_details/'}{host}/{key}"
    return None


def _parts(url: str) -> tuple[str, str, str]:
    """Split a URL into scheme, host and path; a query goes, and so does Airflow's connection before the host."""
    scheme, mark, rest = str(url).partition("://")
    if not mark:
        return "", "", str(Path(url).expanduser().absolute())
    if scheme in _FILES:
        return scheme, "", "/" + rest.lstrip("/")
    host, slash, path = rest.partition("/")
    if scheme in ("http", "https"):
        path = path.partition("?")[0].partition("#")[0]
    return scheme.lower(), host.rpartition("@")[2], slash + path
