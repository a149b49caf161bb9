# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The first step of a cover: a reference track in, its features and the words that were heard out.

The documents say nothing of its price: it is billed here, so that a second request shows on the bill.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import secrets
import time
import uuid
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from airflow_provider_music.api.cover_reference import MAX_SECONDS, MIN_SECONDS, CoverReference
from airflow_provider_music.audio.facts import NotAudioError
from airflow_provider_music.audio.probe import probe
from airflow_provider_music.sandbox.account import LogRow, account_of
from airflow_provider_music.sandbox.models import invalid_body, refuse_withdrawn
from airflow_provider_music.sandbox.responses import ApiError, client_request_id, json_body, json_response
from airflow_provider_music.sandbox.state import state_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

#: Made up: 0.01 USD.
PRICE_CREDITS = 20_000
_LYRICS = "[Verse]\nThe river keeps the lantern light\nand carries it along\n\n[Chorus]\nWe row until the end of night"
_URL_SECONDS = 30.0


async def preprocess(request: Request) -> Response:
    """Analyse a track while the request stays open; a URL is not fetched, any is taken for a good track."""
    account, state = account_of(request), state_of(request)
    body = await json_body(request)
    refuse_withdrawn(request, body.get("model"))
    try:
        url = str(CoverReference.model_validate(body).reference_audio_url)
    except ValidationError as error:
        raise invalid_body(error) from None
    seconds = await asyncio.to_thread(_seconds, url) if url.startswith("data:") else _URL_SECONDS
    if account.left < PRICE_CREDITS:
        raise ApiError(403)
    created = time.time()
    account.held += PRICE_CREDITS
    # A client that hangs up does not stop it, and pays for it.
    await asyncio.shield(state.spawn(asyncio.sleep(state.settings.delay)))
    account.held -= PRICE_CREDITS
    account.spent += PRICE_CREDITS
    number, wanted = str(uuid.uuid4()), client_request_id(request.headers.get("x-client-request-id"))
    visible = time.time() + state.settings.log_lag
    state.ledger.rows.append(
        LogRow(created, visible, account.tag, CoverReference.id, False, PRICE_CREDITS, number, wanted)  # noqa: FBT003
    )
    return json_response(request, _features(state.new_features(), seconds), inference_id=number, spent=PRICE_CREDITS)


def _features(feature_id: str, seconds: float) -> dict[str, Any]:
    half = round(seconds / 2, 1)
    segments = [
        {"start": 0, "end": half, "label": "verse"},
        {"start": half, "end": round(seconds, 1), "label": "chorus"},
    ]
    return {
        "cover_feature_id": feature_id,
        "formatted_lyrics": _LYRICS,
        "structure_result": json.dumps({"num_segments": len(segments), "segments": segments}),
        "audio_duration": round(seconds, 3),
        "trace_id": secrets.token_hex(16),
    }


def _seconds(data_uri: str) -> float:
    """Return how long the track in a data URI is.

    :raises ApiError: 400 for one that the API does not take.
    """
    try:
        facts = probe(io.BytesIO(base64.b64decode(data_uri.partition(",")[2])))
    except NotAudioError:
        raise _bad_track("Expected audio") from None
    seconds = (facts.duration_ms or 0) / 1000
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise _bad_track(f"Expected {MIN_SECONDS} to {MAX_SECONDS} seconds, received {seconds:.1f}")
    return seconds


def _bad_track(message: str) -> ApiError:
    return ApiError(400, details=[{"path": "reference_audio_url", "message": message}])
