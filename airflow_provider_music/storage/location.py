# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Which folder a user means: an absolute path or a URL, the same in every process; anything else is refused.

A relative path is another folder in each working directory, and an empty one is nobody's: records would be looked for
where they are not, and songs paid again.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path, PurePath
from typing import Any, NoReturn
from urllib.parse import urlsplit

from airflow_provider_music.exceptions import InvalidFolderError

_JINJA_TAG = re.compile(r"\{[{%#]")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
#: What is left of "s3://b" in a Path: it takes two slashes for one. One letter would be a drive of Windows.
_ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")
#: $HOME, ${HOME}, $(pwd), %TEMP%; not the bytes of a URL, as in "%C3%A4".
_VARIABLE = re.compile(r"\$[A-Za-z_{(]|%[A-Za-z_]\w*%(?![0-9A-Fa-f]{2})")
_LOCAL_SCHEMES = ("file", "local")
#: Their first part is a bucket or a container, with or without a connection's id before it. Of other schemes it may be
#: left out: "memory:///songs", or "hdfs:///songs" of the default name node.
_BUCKET_SCHEMES = frozenset(
    ("s3", "s3a", "s3n", "gs", "gcs", "r2", "abfs", "abfss", "adl", "az", "wasb", "wasbs", "oss", "oci", "cos", "b2")
)
#: Control characters, halves of a character pair, and separators of lines.
_NO_NAME = ("Cc", "Cs", "Zl", "Zp")
_FIX = "Give an absolute path, or a URL such as 's3://conn_id@bucket/songs'."


def location(value: object, name: str) -> str:
    """Return the URL or the absolute path of a folder from what a user gave.

    :param value: a text, a ``Path``, or the path of an object store (``ObjectStoragePath``, ``UPath``); rendered.
    :param name: the argument or option that it was given for.
    :raises InvalidFolderError: it names no folder, or one that depends on the process. Nothing was sent.
    """
    text = _text_of(value)
    if text is None:
        _refuse(name, value, "is no folder's name" if value is not None else "names no folder")
    text = text.strip()
    fault = _fault(text) or _fault_of_options(value)
    if fault is not None:
        _refuse(name, value, fault)
    if text.startswith("~"):
        return _expanded(text, value, name)
    url = _URL.match(text)
    # Schemes compare without case, and so must folders.
    return text[: url.end()].lower() + text[url.end() :] if url else text


def static_part(template: object) -> str | None:
    """Return the folder before the first tag of a Jinja template, or None where there is none that could be used.

    It is the same at every try, whatever the tag renders: "s3://b/songs/{{ ds }}" has "s3://b/songs". A text without
    a tag is itself.

    :param template: a text or a path as :func:`location` takes it, not rendered yet.
    """
    text = _text_of(template)
    if text is None or not text.strip():
        return None
    tag = _JINJA_TAG.search(text)
    if tag is None:
        return text
    folder = text[: tag.start()].strip().rpartition("/")[0].rstrip("/")
    url = _URL.match(f"{folder}/")
    # Of "s3://{{ b }}" a scheme is left, of "/{{ x }}" the root of a disk: nobody means to keep records there.
    if not folder or folder.endswith(":") or (url and not _leads_somewhere(folder)):
        return None
    return folder


def _text_of(value: object) -> str | None:
    if isinstance(value, str):
        return str(value)
    # Not os.fspath(): of an object store's path that may be a copy on this disk.
    if isinstance(value, PurePath) or _is_storage_path(value):
        return str(value)
    return None


def _is_storage_path(value: object) -> bool:
    """Whether this is a path of Airflow, universal_pathlib or cloudpathlib, without an import of any of them."""
    return any(base.__module__.partition(".")[0] in ("upath", "cloudpathlib") for base in type(value).__mro__)


def _fault(text: str) -> str | None:
    """Say what is wrong with a text, or None."""
    if text in ("", "None"):
        return "names no folder: a template or a setting may have come out empty"
    if _JINJA_TAG.search(text):
        return "holds a template that was not rendered"
    if any(unicodedata.category(character) in _NO_NAME for character in text):
        return "holds a control character"
    if _VARIABLE.search(text):
        return "holds a variable that nobody expands"
    if text.startswith("~"):
        return None
    url, cut = _URL.match(text), _ONE_SLASH.match(text)
    if cut is not None:
        return _fault_of_cut_url(cut[1].lower())
    if url is None:
        relative = "is a relative path, another folder in each working directory"
        return None if text.startswith("/") else relative
    scheme = url[1].lower()
    if scheme in _LOCAL_SCHEMES and not text[url.end() :].startswith("/"):
        return f"names a host: a folder of this machine is {scheme}:///folder, with three slashes"
    if scheme in _BUCKET_SCHEMES and not _leads_somewhere(text):
        return "names no bucket"
    return None


def _fault_of_cut_url(scheme: str) -> str:
    if scheme in _LOCAL_SCHEMES:
        return f"is no URL of a folder: that is {scheme}:///folder, with three slashes"
    return f"has one slash after {scheme}: where a URL has two, as a Path makes of a URL; give the URL as a text"


def _fault_of_options(value: object) -> str | None:
    """Name what a path of an object store knows and its text does not say; a connection's id is in the text."""
    options = getattr(value, "storage_options", None) if _is_storage_path(value) else None
    lost = sorted(set(options or ()) - {"conn_id"})
    return f"has storage options ({', '.join(lost)}) that a triggerer would not have" if lost else None


def _leads_somewhere(url: str) -> bool:
    """Whether a URL leads to more than the top of its scheme: to a bucket, where the scheme has them."""
    scheme, _, rest = url.partition("://")
    if scheme.lower() in _BUCKET_SCHEMES:
        # Beside a connection's id.
        return bool(urlsplit(f"//{rest}").netloc.rpartition("@")[2])
    return bool(rest.strip("/"))


def _expanded(text: str, value: object, name: str) -> str:
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        _refuse(name, value, "starts with a home directory that this machine does not know")
    if not path.is_absolute():
        _refuse(name, value, "starts with a home directory that is a relative path")
    return str(path)


def _refuse(name: str, value: Any, fault: str) -> NoReturn:
    raise InvalidFolderError(f"{name}: {value!r:.200} {fault}. {_FIX} Nothing was sent.")
