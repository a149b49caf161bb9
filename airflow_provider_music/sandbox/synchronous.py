# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""music-01: upload a reference track; one POST that stays open and responds with the whole song in hex."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from typing import TYPE_CHECKING, Any, Literal

from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request

from airflow_provider_music.audio.facts import AudioFacts, NotAudioError
from airflow_provider_music.audio.probe import probe
from airflow_provider_music.sandbox.account import account_of
from airflow_provider_music.sandbox.models import checked_body
from airflow_provider_music.sandbox.queued import signed_url
from airflow_provider_music.sandbox.responses import ApiError, discard_body, fault_of, json_body, json_response
from airflow_provider_music.sandbox.state import open_generation, state_of

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Message, Receive

    from airflow_provider_music.sandbox.songs import Audio
    from airflow_provider_music.sandbox.state import Generation

PURPOSES: dict[str, tuple[Literal["vocal", "instrumental"], ...]] = {
    "song": ("vocal", "instrumental"),
    "voice": ("vocal",),
    "instrumental": ("instrumental",),
}
_ID_FIELDS = {"vocal": "voice_id", "instrumental": "instrumental_id"}
MIN_REFERENCE_MS, MAX_REFERENCE_MS = 10_000, 600_000  # longer than 10 s, at most 10 min
INVALID_PARAMS, INVALID_REFERENCE, WRONG_DURATION, INTERNAL_ERROR = 2013, 20132, 2037, 1013
_FORM_OVERHEAD_BYTES = 64 * 1024


def base_resp(code: int, message: str) -> dict[str, Any]:
    """Return MiniMax's own status, which comes with HTTP 200."""
    return {"status_code": code, "status_msg": message}


async def upload(request: Request) -> Response:
    """Take a reference track (multipart: ``file`` and ``purpose``) and give out ids for it."""
    account_of(request)
    state = state_of(request)
    limit = state.settings.max_upload_bytes
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        await discard_body(request.receive)
        raise ApiError(400, details=[{"path": "", "message": "Expected multipart/form-data"}])
    form_request = Request(request.scope, _limited(request.receive, limit + _FORM_OVERHEAD_BYTES))
    try:
        async with form_request.form(max_files=1, max_fields=8) as form:
            file, purpose = form.get("file"), form.get("purpose")
            details = []
            if not isinstance(file, UploadFile):
                details.append({"path": "file", "message": "Required"})
            if purpose not in PURPOSES:
                message = f"Invalid enum value. Expected 'song' | 'voice' | 'instrumental', received {purpose!r}"
                details.append({"path": "purpose", "message": message})
            if details or not isinstance(file, UploadFile):
                raise ApiError(400, details=details)
            if (file.size or 0) > limit:
                raise ApiError(413)
            verdict = await asyncio.to_thread(_check_reference, file)
    except ClientDisconnect:  # nobody is there to read a response
        raise ApiError(400) from None
    body: dict[str, Any] = {}
    if verdict["status_code"] == 0:
        body = {_ID_FIELDS[kind]: state.new_reference(kind) for kind in PURPOSES[str(purpose)]}
    body |= {"trace_id": secrets.token_hex(16), "base_resp": verdict}
    return json_response(request, body, inference_id=str(uuid.uuid4()), spent=0)


def _limited(receive: Receive, limit: int) -> Receive:
    left = limit

    async def limited() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            if message.get("more_body", False):
                await discard_body(receive)
            raise ApiError(413)
        return message

    return limited


def _check_reference(file: UploadFile) -> dict[str, Any]:
    """Return the API's verdict on a track, by its content and never by its name."""
    try:
        facts: AudioFacts = probe(file.file)
    except NotAudioError:
        return base_resp(INVALID_PARAMS, "invalid params, the file is not audio")
    if facts.format not in {"wav", "mp3"}:
        return base_resp(INVALID_PARAMS, "invalid params, the file is neither mp3 nor wav")
    if not MIN_REFERENCE_MS < (facts.duration_ms or 0) <= MAX_REFERENCE_MS:
        return base_resp(WRONG_DURATION, "voice duration too short or too long")
    return base_resp(0, "success")


async def generate(request: Request) -> Response:
    """Make a song with music-01 while the request stays open."""
    account_of(request)
    state = state_of(request)
    body = checked_body(request, await json_body(request), "synchronous")
    known = state.settings.any_reference or all(
        state.references.get(body[name], kind) == kind and body[name] in state.references
        for name, kind in (("refer_voice", "vocal"), ("refer_instrumental", "instrumental"))
        if body.get(name)
    )
    if not known:
        rejection = {
            "trace_id": secrets.token_hex(16),
            "base_resp": base_resp(INVALID_REFERENCE, "invalid samples or voice_id"),
        }
        return json_response(request, rejection, inference_id=str(uuid.uuid4()), spent=0)
    generation = open_generation(request, body, "synchronous")
    # A client that hangs up does not stop the song, and pays for it.
    audio = await asyncio.shield(state.spawn(state.make(generation)))
    if audio is None:
        failed = {
            "trace_id": generation.trace_id,
            "base_resp": base_resp(INTERNAL_ERROR, "Internal service error"),
        }
        return json_response(request, failed, inference_id=generation.id, spent=0)
    text = await asyncio.to_thread(_song_body, request, generation, audio)
    return json_response(request, text, inference_id=generation.id, spent=generation.profile.credits)


def _song_body(request: Request, generation: Generation, audio: Audio) -> bytes:
    fault = fault_of(request)
    kind = fault.value if fault is not None and fault.kind == "audio" else None
    data = {"status": 1 if kind == "status1" else 2, "audio": _hex(request, generation, audio, kind)}
    if kind == "missing":
        del data["audio"]
    body = {
        "data": data,
        "extra_info": {
            "audio_length": audio.duration_ms,
            "audio_size": len(audio.data),
            "audio_bitrate": audio.bitrate_bps,
            "audio_sample_rate": audio.sample_rate_hz,
            "music_duration": audio.duration_ms,
            "music_size": len(audio.data),
            "bitrate": audio.bitrate_bps,
            "music_sample_rate": audio.sample_rate_hz,
            "music_channel": audio.channels,
        },
        "analysis_info": None,
        "trace_id": generation.trace_id,
        "base_resp": base_resp(0, "success"),
    }
    return json.dumps(body, separators=(",", ":")).encode()


def _hex(request: Request, generation: Generation, audio: Audio, kind: str | None) -> str | None:
    if kind == "null":
        return None
    if kind == "empty":
        return ""
    if kind == "url":
        return signed_url(request, generation)
    text = audio.data.hex()
    half = len(text) // 4 * 2
    if kind in {"half", "status1"}:
        return text[:half]
    return {
        "odd": text[:-1],
        "upper": text.upper(),
        "nothex": text[:half] + "zz" + text[half + 2 :],
        "space": text[:half] + "\n " + text[half:],
    }.get(kind or "", text)
