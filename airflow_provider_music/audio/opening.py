# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Opens a track that somebody named, wherever it lies; what cannot be opened is said in our words, and in time."""

from __future__ import annotations

import contextvars
import errno
import os
import re
import stat
import threading
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from airflow_provider_music.compat import AirflowException, ObjectStoragePath
from airflow_provider_music.exceptions import MusicError, ReferenceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

#: What is left of "s3://b" in a Path; one letter would be a drive of Windows.
_ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")
_LOCAL = ("", "file", "local")
#: A store that does not say in that time whether it has the file does not say it: libraries try for many minutes.
OPEN_SECONDS = 60.0
#: s3fs would take 50 MiB at once.
_BLOCK_BYTES = 5 * 2**20
_KINDS = (
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
#: Errors that another try would meet again, and what they mean.
_REASONS = {
    errno.ELOOP: "its symbolic links lead in a circle; give the file that they should lead to",
    errno.ENAMETOOLONG: "its name is longer than a file system takes; give the path of a WAV or MP3 file",
    errno.EINVAL: "it cannot be read as a file; copy the track into one, and give that",
    errno.ESPIPE: "it cannot be read as a file; copy the track into one, and give that",
    errno.ENXIO: "it cannot be read as a file; copy the track into one, and give that",
    errno.ENODEV: "it cannot be read as a file; copy the track into one, and give that",
}


def open_track(file: Any, problems: list[str]) -> IO[bytes] | None:
    """Open a track for reading; where that cannot be, say why in ``problems`` and return None.

    :param file: any ``ObjectStoragePath`` or its URL, or a local path.
    :raises ReferenceUnavailableError: its store does not answer.
    """
    named = _named(file, problems)
    if named is None:
        return None
    try:
        path = ObjectStoragePath(named) if isinstance(named, str) else named
        kind = _kind_of_no_file(path)
        if kind is not None:
            problems.append(f"file: {named} is a {kind}, but a file is needed; copy the track into one, and give that.")
            return None
        return _opened(path)
    except MusicError:
        raise
    except Exception as exc:  # noqa: BLE001 - every store's library has errors of its own
        problems.append(f"file: {_problem(named, exc)}")
        return None


def unavailable(file: Any, exc: BaseException) -> ReferenceUnavailableError:
    """Return the error of a store that does not answer."""
    return ReferenceUnavailableError(
        f"file: {file} cannot be read now: {type(exc).__name__}: {exc}. Nothing was sent. A retry reads it again; "
        "check that this worker reaches the store, and its connection."
    )


def _problem(named: Any, exc: Exception) -> str:
    """Say what an error that another try would meet again means, or raise."""
    reason = _REASONS.get(exc.errno or 0) if isinstance(exc, OSError) else None
    if reason is not None:
        return f"{str(named)!r:.200}: {reason}."
    if isinstance(exc, FileNotFoundError | IsADirectoryError | NotADirectoryError):
        return f"{named} does not exist or is no file; give the path of a WAV or MP3 file."
    if isinstance(exc, PermissionError):
        return f"{named} may not be read by this worker: {exc}; grant it, or copy the file."
    if isinstance(exc, ValueError | ImportError):
        return f"{named} is in no storage known here: {exc}; install the provider of its scheme."
    if isinstance(exc, AirflowException):
        return f"{named} cannot be opened: {exc}; give a connection that there is, or another file."
    raise unavailable(named, exc) from exc


def _named(file: Any, problems: list[str]) -> Any:
    """Return what can be opened: a URL, a path, or the path of an object store as it is, with its connection."""
    is_stored = any(base.__module__.partition(".")[0] == "upath" for base in type(file).__mro__)
    if not (file is None or is_stored or isinstance(file, str | PurePath)):
        problems.append(f"file: {file!r:.60} is no path; give the path or the URL of a WAV or MP3 file as text.")
        return None
    url = str("" if file is None else file).strip()
    if not url or url == "None":
        problems.append(f"file: {file!r} names no file; give a path or a URL of a WAV or MP3 file.")
        return None
    if "\0" in url:
        problems.append(f"file: {url!r:.200} is no path: it holds a zero byte; give the path of a WAV or MP3 file.")
        return None
    cut = _ONE_SLASH.match(url)
    if cut is not None and cut[1] not in ("file", "local"):
        problems.append(
            f"file: {url} has one slash after {cut[1]}: where a URL has two, as a Path makes of a URL; "
            "give the URL as a text."
        )
        return None
    if is_stored:
        return file
    if urlsplit(url).scheme in ("http", "https"):
        problems.append(
            f"file: {url} is an address of the web: download it into a file or a store first; a model that fetches "
            "its reference itself takes the address as reference_audio_url."
        )
        return None
    if urlsplit(url).scheme:
        return _unquoted(url)
    try:
        return str(Path(url).expanduser())
    except RuntimeError:
        home = url.partition("/")[0]
        problems.append(f"file: {url}: this worker knows no home folder {home}; give the whole path.")
        return None


def _unquoted(url: str) -> str:
    """Return a local file's URL as the store reads it: ``Path.as_uri()`` writes ``%20`` where a name has a space."""
    scheme, _, path = url.partition("://")
    plain = unquote(path)
    is_meant = scheme in _LOCAL and plain != path and not Path(path).exists() and Path(plain).exists()
    return f"{scheme}://{plain}" if is_meant else url


def _kind_of_no_file(path: Any) -> str | None:
    """Say what a local path leads to, where that is something to wait at for ever; what is not there, opening says."""
    if not _is_local(path):
        return None
    try:
        mode = os.stat(path.path).st_mode  # noqa: PTH116 - path is a URL's, not a Path
    except OSError:
        return None
    return next((name for is_kind, name in _KINDS if is_kind(mode)), None)


def _is_local(path: Any) -> bool:
    return getattr(path, "protocol", None) in _LOCAL


def _opened(path: Any) -> IO[bytes]:
    if _is_local(path):
        opened: IO[bytes] = path.open("rb")
        return opened
    # Here: Airflow looks the connection up, which not every thread may do.
    _ = path.fs
    more: dict[str, Any] = {"block_size": _BLOCK_BYTES} if isinstance(path, ObjectStoragePath) else {}
    return _within(OPEN_SECONDS, lambda: path.open("rb", **more))


def _within(seconds: float, work: Callable[[], IO[bytes]]) -> IO[bytes]:
    """Do it in a thread, which is left behind where it does not end."""
    result: list[IO[bytes]] = []
    failed: list[BaseException] = []

    def do() -> None:
        try:
            result.append(work())
        except BaseException as exc:  # noqa: BLE001 - raised again below
            failed.append(exc)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(do,), daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not result:
        raise TimeoutError(f"its store did not answer within {seconds:g} s")
    return result[0]
