# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The queued lane: submit, poll, and the file that a finished song is behind."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import Response, StreamingResponse

from airflow_provider_music.sandbox.encode import CONTENT_TYPES
from airflow_provider_music.sandbox.orders import checked, open_order
from airflow_provider_music.sandbox.replies import (
    Refusal,
    account_of,
    answer,
    fault_of,
    json_body,
    usage,
    world_of,
)
from airflow_provider_music.sandbox.signing import is_good, signed_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from airflow_provider_music.sandbox.world import Generation

_CHUNK_BYTES = 64 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_SAFE_ID = re.compile(r"[\w\-:./]{8,200}", re.ASCII)


async def submit(request: Request) -> Response:
    """Accept a song; the answer has its id and its price."""
    account_of(request)
    world = world_of(request)
    body = checked(world, await json_body(request), "queued")
    generation = open_order(request, body, "queued")
    world.spawn(world.make(generation))
    price = generation.card.credits
    accepted = {
        "id": generation.id,
        "status": "queued",
        "audio_file": None,
        "error": None,
        **({"meta": {"usage": usage(price)}} if world.settings.tell_usage else {}),
    }
    status = world.settings.created_status
    return answer(request, accepted, status=status, inference_id=generation.id, spent=price)


async def poll(request: Request) -> Response:
    """Say how a song stands."""
    account = account_of(request)
    number = request.query_params.get("generation_id", "")
    if not number:
        raise Refusal(400, details=[{"path": "generation_id", "message": "Required"}])
    generation = world_of(request).generations.get(number)
    if generation is None or generation.account is not account or generation.lane != "queued":
        headers = {"x-inference-id": number} if _SAFE_ID.fullmatch(number) else None
        raise Refusal(404, "Generation not found", headers=headers)
    return answer(request, _polled(request, generation), inference_id=generation.id)


def _polled(request: Request, generation: Generation) -> dict[str, Any]:
    fault = fault_of(request)
    kind = fault.kind if fault is not None else None
    status = generation.status(time.time())
    body: dict[str, Any] = {"id": generation.id, "status": status, "audio_file": None, "error": None}
    if status == "error":
        body["error"] = {"name": "GenerationError", "message": "Downstream service error."}
    if status == "completed":
        body["audio_file"] = _audio_file(request, generation, expired=kind == "expired-url")
        if generation.card.track_facts:
            body |= _track_facts(generation)
        if kind == "no-file":
            body["audio_file"] = None
        if kind == "url" and fault is not None:
            body["audio_file"]["url"] = fault.value
    if kind == "status-word" and fault is not None:
        body["status"] = fault.value
    return body


def _audio_file(request: Request, generation: Generation, *, expired: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"url": signed_url(request, generation, expired=expired)}
    if generation.card.file_facts:
        found["content_type"] = generation.card.content_type or CONTENT_TYPES[generation.song.format]
        found["file_name"] = generation.file_name.rpartition("%2F")[2]
        found["file_size"] = generation.size
    return found


def _track_facts(generation: Generation) -> dict[str, Any]:
    return {
        "extra_info": {
            "music_duration": generation.duration_ms,
            "music_sample_rate": generation.song.rate,
            "music_channel": 1,
            "bitrate": generation.bitrate_bps,
            "music_size": 0,  # as in every published sample
        },
        "trace_id": generation.trace_id,
    }


async def download(request: Request) -> Response:
    """Send a song's bytes to whoever has its signed URL. No key is needed, and none should come."""
    world = world_of(request)
    if "authorization" in request.headers:
        world.note_file_authorization(request.headers["authorization"])
    if not is_good(request):
        return _storage_error(403, "AccessDenied", "Request has expired or the signature does not match.")
    name = request.scope["raw_path"].decode("latin-1").partition("?")[0].rpartition("/music%2F")[2]
    generation = world.files.get(name)
    if generation is None or not generation.done or generation.fails:
        return _storage_error(404, "NoSuchKey", "The specified key does not exist.")
    data = (await world.shelf.get(generation.song)).data
    return _file_response(request, generation, _spoiled(request, data))


def _spoiled(request: Request, data: bytes) -> bytes:
    fault = fault_of(request)
    if fault is None or fault.kind != "audio":
        return data
    return {
        "half": data[: len(data) // 2],
        "empty": b"",
        "html": b"<html><body>Access denied</body></html>",
        "header": data[:64],
        "other": b"fLaC" + data[4:],
    }.get(fault.value or "", data)


def _storage_error(status: int, code: str, message: str) -> Response:
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    body = f"{head}\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(body, status, media_type="application/xml")


def _file_response(request: Request, generation: Generation, data: bytes) -> Response:
    media_type = generation.card.content_type or CONTENT_TYPES[generation.song.format]
    first, last, status = 0, len(data) - 1, 200
    headers = {"accept-ranges": "bytes"}
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked and any(asked.groups()):
        start, end = asked.groups()
        first = int(start) if start else max(0, len(data) - int(end))
        last = min(last, int(end)) if start and end else last
        if first > last:
            return Response(status_code=416, headers={"content-range": f"bytes */{len(data)}"})
        headers["content-range"] = f"bytes {first}-{last}/{len(data)}"
        status = 206
    headers["content-length"] = str(last - first + 1)
    view = memoryview(data)[first : last + 1]
    return StreamingResponse(_chunks(view), status, headers, media_type)


async def _chunks(view: memoryview) -> AsyncIterator[bytes]:
    for start in range(0, len(view), _CHUNK_BYTES):
        yield bytes(view[start : start + _CHUNK_BYTES])
