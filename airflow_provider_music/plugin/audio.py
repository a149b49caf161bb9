# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A song's file as a response: streamed from its store piece by piece, by threads, with a bounded amount in memory."""

from __future__ import annotations

import asyncio
import re
import stat
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import HTTPException, status
from fastapi.responses import Response, StreamingResponse

from airflow_provider_music.plugin.ranges import UnsatisfiableRangeError, requested_bytes
from airflow_provider_music.storage.song_name import DEFAULT_NAME
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import IO

    from airflow_provider_music.plugin.ranges import Bytes
    from airflow_provider_music.plugin.songs import AudioFile

#: What one listener holds in memory, beside what the server has written and not sent.
PIECE_BYTES = 2**18
_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 100


async def respond(file: AudioFile, headers: Mapping[str, str], *, save_as: str | None = None) -> Response:
    """Return a song's file, or the part of it that is asked for.

    :param headers: of the request.
    :param save_as: name under which a browser is to save it; None plays it.
    :raises HTTPException: 404, the file is gone; 416, the range lies behind its end.
    :raises OSError: the store does not answer.
    """
    size = await in_thread(_size, file)
    if size is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "The song's file is not in its place any more")
    etag = f'"{file.sha256}"' if file.sha256 else None
    answer = {
        "Accept-Ranges": "bytes",
        # What is played is asked for again each time, so that who signed out hears nothing more.
        "Cache-Control": "private, no-cache",
        # Airflow compresses what has no encoding: a compressed part would have other bytes than those it names.
        "Content-Encoding": "identity",
        "Content-Disposition": _disposition(save_as, file.format),
    }
    if etag is not None:
        answer["ETag"] = etag
        if headers.get("if-none-match") == etag and "range" not in headers:
            return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=answer)
    try:
        part = requested_bytes(headers, size, etag)
    except UnsatisfiableRangeError:
        raise HTTPException(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "Nothing is there", {"Content-Range": f"bytes */{size}"}
        ) from None
    answer["Content-Length"] = str(part.length)
    if part.is_part:
        answer["Content-Range"] = part.content_range
    code = status.HTTP_206_PARTIAL_CONTENT if part.is_part else status.HTTP_200_OK
    # Opened before the status is sent: a file that cannot be read is an error, and no song that breaks off.
    opened = await in_thread(file.folder.open, file.name)
    return StreamingResponse(_pieces(opened, part), code, answer, media_type=file.media_type)


async def _pieces(file: IO[bytes], part: Bytes) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    try:
        await in_thread(file.seek, part.start)
        left = part.length
        while left > 0:
            piece = await in_thread(file.read, min(PIECE_BYTES, left))
            if not piece:
                # Shorter than it was: the connection breaks off, so that nobody takes this for the whole.
                raise OSError(f"{left} bytes of the song are missing")
            left -= len(piece)
            yield piece
    finally:
        # A listener who left cancels this, so nothing is awaited here; a store's file may take a moment to close.
        loop.run_in_executor(None, file.close)


def _size(file: AudioFile) -> int | None:
    folder = file.folder
    if folder.is_local:
        try:
            # A pipe would never end.
            if not stat.S_ISREG(Path(folder.key(file.name)).stat().st_mode):
                return None
        except (FileNotFoundError, NotADirectoryError):
            return None
    return folder.size(file.name)


def _disposition(save_as: str | None, suffix: str) -> str:
    if save_as is None:
        return "inline"
    plain = _NAME.sub("_", save_as)[:_LONGEST_NAME]
    spelled = quote(f"{save_as[:_LONGEST_NAME]}.{suffix}", safe="")
    return f'attachment; filename="{plain}.{suffix}"' + ("" if plain == save_as else f"; filename*=UTF-8''{spelled}")


def name_of(file: AudioFile, *parts: Any) -> str:
    """Return the name under which a song is saved: its own where it has one, else that of its task.

    :param parts: DAG, task, and what tells the song from the others of its task.
    """
    named = file.name.rpartition(".")[0]
    texts = [str(part) for part in parts if part is not None]
    if named == DEFAULT_NAME:
        return _NAME.sub("_", "-".join(texts))[:_LONGEST_NAME]
    return "-".join([named, *texts[2:]])
