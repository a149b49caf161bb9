# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The queued lane: submit, poll, and the download of a finished song by its signed URL."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from starlette.responses import Response, StreamingResponse

from airflow_provider_music.sandbox.account import account_of
from airflow_provider_music.sandbox.models import checked_body
from airflow_provider_music.sandbox.responses import ApiError, fault_of, json_body, json_response, usage
from airflow_provider_music.sandbox.settings import FILES_PATH
from airflow_provider_music.sandbox.songs import CONTENT_TYPES
from airflow_provider_music.sandbox.state import open_generation, state_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from airflow_provider_music.sandbox.state import Generation

_ACCESS_KEY_ID = "LTAI5tSandbox"
_CHUNK_BYTES = 64 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_SAFE_ID = re.compile(r"[\w\-:./]{8,200}", re.ASCII)


async def submit(request: Request) -> Response:
    """Accept a request for a song; the response has its id and its price."""
    account_of(request)
    state = state_of(request)
    body = checked_body(request, await json_body(request), "queued")
    generation = open_generation(request, body, "queued")
    state.spawn(state.make(generation))
    price = generation.profile.credits
    accepted = {
        "id": generation.id,
        "status": "queued",
        "audio_file": None,
        "error": None,
        **({"meta": {"usage": usage(price)}} if state.settings.tell_usage else {}),
    }
    status = state.settings.created_status
    return json_response(request, accepted, status=status, inference_id=generation.id, spent=price)


async def poll(request: Request) -> Response:
    """Return the status of a generation."""
    account = account_of(request)
    number = request.query_params.get("generation_id", "")
    if not number:
        raise ApiError(400, details=[{"path": "generation_id", "message": "Required"}])
    generation = state_of(request).generations.get(number)
    if generation is None or generation.account is not account or generation.lane != "queued":
        headers = {"x-inference-id": number} if _SAFE_ID.fullmatch(number) else None
        raise ApiError(404, "Generation not found", headers=headers)
    return json_response(request, _polled(request, generation), inference_id=generation.id)


def _polled(request: Request, generation: Generation) -> dict[str, Any]:
    fault = fault_of(request)
    kind = fault.kind if fault is not None else None
    status = generation.status(time.time())
    body: dict[str, Any] = {"id": generation.id, "status": status, "audio_file": None, "error": None}
    if status == "error":
        body["error"] = {"name": "GenerationError", "message": "Downstream service error."}
    if status == "completed":
        body["audio_file"] = _audio_file(request, generation, expired=kind == "expired-url")
        if generation.profile.track_facts:
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
    if generation.profile.file_facts:
        found["content_type"] = generation.profile.content_type or CONTENT_TYPES[generation.song.format]
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


def signed_url(request: Request, generation: Generation, *, expired: bool = False) -> str:
    """Return the URL of a song on this server, as the API's storage signs it."""
    state = state_of(request)
    path = f"{FILES_PATH}/music%2F{generation.file_name}"
    expires = int(time.time() + (-60 if expired else state.settings.url_seconds))
    signature = quote(_signature(state.signing_key, path, str(expires)), safe="")
    origin = f"{request.url.scheme}://{request.url.netloc}"
    return f"{origin}{path}?Expires={expires}&OSSAccessKeyId={_ACCESS_KEY_ID}&Signature={signature}"


def _is_signed(request: Request) -> bool:
    """Whether the request's signature fits its path, byte for byte, and has not expired."""
    query = parse_qs(request.url.query)
    expires, given = query.get("Expires", [""])[0], query.get("Signature", [""])[0]
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    right = _signature(state_of(request).signing_key, path.partition(b"?")[0].decode("latin-1"), expires)
    return hmac.compare_digest(right.encode(), given.encode()) and expires.isdigit() and int(expires) > time.time()


def _signature(key: bytes, path: str, expires: str) -> str:
    digest = hmac.new(key, f"GET\n{expires}\n{path}".encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


async def download(request: Request) -> Response:
    """Send a song's bytes to whoever has its signed URL. No key is needed, and none should come."""
    state = state_of(request)
    if "authorization" in request.headers:
        state.note_file_authorization(request.headers["authorization"])
    if not _is_signed(request):
        return _storage_error(403, "AccessDenied", "Request has expired or the signature does not match.")
    name = request.scope["raw_path"].decode("latin-1").partition("?")[0].rpartition("/music%2F")[2]
    generation = state.files.get(name)
    if generation is None or not generation.done or generation.fails:
        return _storage_error(404, "NoSuchKey", "The specified key does not exist.")
    data = (await state.songs.get(generation.song)).data
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
    media_type = generation.profile.content_type or CONTENT_TYPES[generation.song.format]
    first, last, status = 0, len(data) - 1, 200
    headers = {"accept-ranges": "bytes"}
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    if wanted and any(wanted.groups()):
        start, end = wanted.groups()
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
