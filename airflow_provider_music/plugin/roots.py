# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The folders whose songs may be heard: those that Airflow's own configuration names, and no other.

What a DAG says does not count here: an XCom is whatever a task pushed, and the API server has files of its own.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_music.compat import conf
from airflow_provider_music.exceptions import InvalidFolderError, OutputError
from airflow_provider_music.storage.folder import Folder, default_output_dir, is_local
from airflow_provider_music.storage.location import location

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

_SEPARATOR = re.compile(r"[,\s]+")


class OutsideRootsError(OutputError):
    """A file that lies below none of the configured folders."""


def roots() -> list[str]:
    """Return ``[music] output_dir``, ``record_dir`` and ``listen_roots``, as URLs or absolute paths."""
    found = []
    for value, name in _configured():
        try:
            found.append(location(value, name).rstrip("/"))
        except InvalidFolderError as exc:
            log.warning("Nothing is played from [music] %s: %s", name, exc)
    return list(dict.fromkeys(found))


def file_below(url: str) -> tuple[Folder, str]:
    """Return the folder and the name of a file that lies below a root; a link out of it does not.

    :raises OutsideRootsError: it lies elsewhere.
    :raises OutputError: no storage is installed for this URL.
    """
    path = _below(url, roots())
    if path is None:
        raise OutsideRootsError(
            f"{url!r:.300} lies below none of the folders that are played from. Name its folder in [music] "
            "listen_roots of the API server, beside output_dir and record_dir."
        )
    head, _, name = path.rpartition("/")
    return Folder(head or "/"), name


def folder_below(url: str) -> Folder:
    """Return a folder that lies below a root. Errors as of :func:`file_below`."""
    folder, name = file_below(url)
    return folder / name


def candidates(output_dir: object) -> list[str]:
    """Return the folders in which a task's record may lie: each root, and what leads from it to its output folder.

    :param output_dir: as the task's template was rendered, where it is known.
    """
    known = roots()
    if not isinstance(output_dir, str) or (path := _below(f"{output_dir.rstrip('/')}/x", known)) is None:
        return known
    found = []
    here = path.rpartition("/")[0]
    while _below(f"{here}/x", known) is not None:
        found.append(here)
        here = here.rpartition("/")[0]
    return list(dict.fromkeys([*found, *known]))


def _configured() -> Iterator[tuple[str, str]]:
    yield default_output_dir(), "output_dir"
    if record_dir := conf.get("music", "record_dir", fallback=""):
        yield record_dir, "record_dir"
    for one in _SEPARATOR.split(conf.get("music", "listen_roots", fallback="") or ""):
        if one:
            yield one, "listen_roots"


def _below(url: str, known: list[str]) -> str | None:
    """Return a file's path or URL where it lies below one of the roots: of a local one, with its links resolved."""
    return next((path for root in known if (path := _below_one(url, root)) is not None), None)


def _below_one(url: str, root: str) -> str | None:
    if "\\" in url or "\0" in url or is_local(url) != is_local(root):
        return None
    if is_local(url):
        path, top = _local(url).resolve(), _local(root).resolve()
        return str(path) if top in path.parents else None
    scheme, _, rest = url.partition("://")
    url = f"{scheme.lower()}://{rest}"
    if not url.startswith(f"{root}/"):
        return None
    inside = url[len(root) + 1 :].split("/")
    return url if all(part not in ("", ".", "..") for part in inside) else None


def _local(url: str) -> Path:
    return Path(url.removeprefix("file://").removeprefix("local://")).expanduser()
