# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One folder in a store: small files read, created once, or replaced; the same on disk and in a bucket.

Any URL that Airflow's ``ObjectStoragePath`` takes will do, ``s3://conn@bucket/songs`` among them.
All calls block; from an event loop they go through a thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from airflow_provider_music.compat import ObjectStoragePath, conf
from airflow_provider_music.exceptions import MusicError, OutputError
from airflow_provider_music.storage.cleanup import part_name

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LOCAL = ("", "file", "local")
_READ_AHEAD_BYTES = 2**18


def default_output_dir() -> str:
    """``[music] output_dir``, itself ``<AIRFLOW_HOME>/music`` where it is not set."""
    from airflow.configuration import get_airflow_home

    return conf.get("music", "output_dir", fallback="") or str(Path(get_airflow_home()) / "music")


def is_local(url: str) -> bool:
    """Whether a URL or path is of a plain folder of this machine, or one mounted on it."""
    return urlsplit(url).scheme in _LOCAL or "://" not in url


def safe_name(raw: str) -> str:
    """Make one path segment of any id: as it stands where it is plain, else shortened and hashed.

    The hash is of the whole id and follows a ``~``, which no plain id holds, so two ids never meet.
    """
    if _SAFE.fullmatch(raw):
        return raw
    digest = hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return re.sub(r"[^A-Za-z0-9_-]+", "_", raw)[:60].lstrip("-") + "~" + digest


@contextlib.contextmanager
def store_errors() -> Iterator[None]:
    """Make an ``OSError`` of whatever a store's library raises (botocore's, aiohttp's), so that callers know one."""
    try:
        yield
    except (OSError, MusicError):
        raise
    except Exception as exc:
        raise OSError(f"{type(exc).__name__}: {exc}") from exc


class Folder:
    """A folder, named by its URL.

    ``is_local`` says whether this is a plain folder of this machine, or mounted on it.

    :param url: any ``ObjectStoragePath`` URL, or an absolute or ``~`` local path.
    :raises OutputError: no storage is installed or configured for this URL.
    """

    def __init__(self, url: str) -> None:
        self.is_local = is_local(url)
        if self.is_local:
            # A folder needs no file system behind its URL, which takes longer to make than most facts to read.
            path = url.removeprefix("file://").removeprefix("local://")
            self._root = str(Path(path).expanduser().absolute()).rstrip("/")
            self.url = f"file://{self._root}"
            return
        self.url = url.rstrip("/")
        with self._storage():
            # With its slash: of a URL that ends in "?" or "#" that character would be lost.
            self._path = ObjectStoragePath(f"{self.url}/")
            self._root = self._path.path.rstrip("/")

    def __repr__(self) -> str:
        return f"Folder({self.url!r})"

    def __truediv__(self, name: str) -> Folder:
        return Folder(f"{self.url}/{name}")

    @property
    def fs(self) -> Any:
        """The fsspec file system behind the URL."""
        with self._storage():
            return self._path.fs if not self.is_local else ObjectStoragePath(self.url).fs

    @property
    def _fresh_fs(self) -> Any:
        """The same, without the listings that its library keeps: what others wrote since is in none of them."""
        fs = self.fs
        fs.invalidate_cache()
        return fs

    @contextlib.contextmanager
    def _storage(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, ImportError) as exc:
            raise OutputError(
                f"No storage for {self.url}: {exc}. Install the provider of its scheme, or use another output_dir."
            ) from exc

    def url_of(self, name: str) -> str:
        """URL of a file in this folder."""
        return f"{self.url}/{name}"

    def key(self, name: str) -> str:
        """Path of a file in this folder as its file system spells it."""
        return f"{self._root}/{name}"

    def read(self, name: str) -> bytes | None:
        """Content of a file, or None where there is none.

        :raises OSError: the store did not answer; that is never taken for "nothing there".
        """
        try:
            if self.is_local:
                return Path(self.key(name)).read_bytes()
            with store_errors():
                return self._read_remote(self.key(name))
        except FileNotFoundError:
            return None

    def _read_remote(self, key: str) -> bytes:
        try:
            # Of a range a bucket's library makes one request; of a whole file a second one before it, for its size.
            return cast("bytes", self._fresh_fs.cat_file(key, start=0))
        except FileNotFoundError:
            raise
        except Exception:  # noqa: BLE001 - an empty file has no range; any other fault comes again
            # The size would be taken from a listing that is older than the file, and says "nothing there".
            return cast("bytes", self._fresh_fs.cat_file(key))

    def size(self, name: str) -> int | None:
        """Bytes of a file, or None where there is none."""
        try:
            if self.is_local:
                return Path(self.key(name)).stat().st_size
            with store_errors():
                return int(self._fresh_fs.info(self.key(name))["size"])
        except FileNotFoundError:
            return None

    def is_empty(self) -> bool:
        """Whether nothing lies in here, so that nothing has to be looked for."""
        return not self.children()

    def children(self) -> set[str]:
        """Return the names of what lies directly in here, files and folders; none where it does not exist.

        :raises OSError: the store did not answer.
        """
        try:
            if self.is_local:
                return set(os.listdir(self._root or "/"))  # noqa: PTH208 - one call, no Path needed
            with store_errors():
                return {str(key).rstrip("/").rpartition("/")[2] for key in self._fresh_fs.ls(self._root, detail=False)}
        except FileNotFoundError:
            return set()

    def names(self) -> set[str]:
        """Return the paths of all files in here and below, relative to here; one listing of a bucket.

        :raises OSError: the store did not answer; that is never taken for "nothing there".
        """
        if self.is_local:
            return set(self._walk(self._root or "/", ""))
        with store_errors():
            try:
                return {key[len(self._root) + 1 :] for key in self._keys_below()}
            except FileNotFoundError:
                return set()

    def _keys_below(self) -> list[str]:
        fs = self._fresh_fs
        if hasattr(fs, "call_s3"):
            bucket, prefix, _ = fs.split_path(self._root)
            if prefix:
                # Of a folder with nothing below it, s3fs would ask twice more whether it is a file.
                return cast("list[str]", fs.find(bucket, prefix=f"{prefix}/"))
        return cast("list[str]", fs.find(self._root))

    def _walk(self, path: str, prefix: str) -> Iterator[str]:
        try:
            entries = list(os.scandir(path))
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir():
                yield from self._walk(entry.path, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name

    def create(self, name: str, content: bytes) -> bool:
        """Create a file that does not exist yet, whole or not at all; False where it was there already.

        One of many that try at once wins: a hard link on disk, a conditional PUT in a bucket. Where the store's
        answer was lost, its library asks once more and is told "exists": the same content is our own.
        """
        return self.create_once(name, content) or self.read(name) == content

    def create_once(self, name: str, content: bytes) -> bool:
        """Create a file as :meth:`create` does; False where anything is there already, the same content too."""
        if self.is_local:
            return self._create_local(name, content)
        try:
            with store_errors():
                self._fresh_fs.pipe_file(self.key(name), content, mode="create")
        except FileExistsError:
            return False
        return True

    def replace(self, name: str, content: bytes, *, durable: bool = True) -> None:
        """Write a file whether it exists or not; a reader sees the old content or the new.

        :param durable: wait until a disk holds it; what matters for seconds only need not.
        """
        if self.is_local:
            temporary = self._write_temporary(name, content, durable=durable)
            try:
                temporary.replace(self.key(name))
            except OSError:
                self._try_to_remove(temporary.name)
                raise
            return
        with store_errors():
            self.fs.pipe_file(self.key(name), content)

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading, little at a time: some file systems would fetch tens of megabytes ahead."""
        if self.is_local:
            return Path(self.key(name)).open("rb")
        with store_errors():
            return cast("IO[bytes]", self._fresh_fs.open(self.key(name), "rb", block_size=_READ_AHEAD_BYTES))

    def open_new(self, name: str, *, block_size: int) -> IO[bytes]:
        """Open a file for writing; an object store takes it in blocks of about that many bytes."""
        if self.is_local:
            self.make()
            return Path(self.key(name)).open("wb")
        with store_errors():
            return cast("IO[bytes]", self.fs.open(self.key(name), "wb", block_size=block_size))

    def discard(self, file: IO[bytes] | None, name: str) -> None:
        """Give up a file that :meth:`open_new` opened: nothing of it is published, and nothing stays.

        A full disk or a lost store may say so again; that hides nothing of what broke first.
        """
        self.close_unfinished(file)
        self._try_to_remove(name)

    def close_unfinished(self, file: IO[bytes] | None) -> None:
        """Close a file that is not whole: a bucket publishes nothing of it, a disk has what was written."""
        with contextlib.suppress(OSError), store_errors():
            # close() of a bucket's file would upload what there is, or leave an upload in parts open for ever.
            discard = getattr(file, "discard", None)
            if file is not None and discard is None:
                file.close()
            elif discard is not None:
                try:
                    discard()
                finally:
                    # Or it closes itself when it is forgotten. Read-only in IO, not in a bucket's file.
                    setattr(file, "closed", True)  # noqa: B010

    def move(self, name: str, to: str) -> None:
        """Rename within the folder; the target appears whole.

        A bucket has no rename: where it does not let its objects be deleted, the file stays under the old name too.
        """
        if self.is_local:
            Path(self.key(name)).replace(self.key(to))
            return
        with store_errors():
            # Not mv(), which takes a folder's name for a pattern where it holds "*" or "[".
            self._fresh_fs.cp_file(self.key(name), self.key(to))
        self._try_to_remove(name)

    def remove(self, name: str) -> None:
        """Delete a file; one that is not there is no error."""
        if self.is_local:
            Path(self.key(name)).unlink(missing_ok=True)
            return
        with contextlib.suppress(FileNotFoundError), store_errors():
            self.fs.rm_file(self.key(name))

    def _try_to_remove(self, name: str) -> None:
        """Delete what nobody needs any more; a store that does not allow it breaks nothing, and is named."""
        try:
            self.remove(name)
        except OSError as exc:
            log.warning("%s may stay behind, it cannot be removed: %s", self.url_of(name), exc)

    def make(self) -> None:
        """Make the folder where folders exist; a bucket needs none, and must not be made by accident."""
        if self.is_local:
            Path(self._root).mkdir(parents=True, exist_ok=True)

    def _create_local(self, name: str, content: bytes) -> bool:
        temporary = self._write_temporary(name, content)
        try:
            # link() fails where the name exists and shows the content whole; open("x") shows an empty file first,
            # and leaves one for ever when the process dies in between.
            os.link(temporary, self.key(name))
        except FileExistsError:
            return False
        except OSError:
            # A mount without hard links (some network and FUSE mounts): exclusive, though not all at once.
            return self._create_exclusive(name, content)
        finally:
            self._try_to_remove(temporary.name)
        return True

    def _create_exclusive(self, name: str, content: bytes) -> bool:
        path = Path(self.key(name))
        try:
            file = path.open("xb")
        except FileExistsError:
            return False
        try:
            with file:
                file.write(content)
        except OSError:
            # Ours, and not whole: nobody may take it for the fact.
            self._try_to_remove(name)
            raise
        return True

    def _write_temporary(self, name: str, content: bytes, *, durable: bool = True) -> Path:
        self.make()
        temporary = Path(self.key(part_name(name)))
        try:
            with temporary.open("xb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
        except OSError:
            self._try_to_remove(temporary.name)
            raise
        return temporary
