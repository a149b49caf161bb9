# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The first step of a cover: the API analyses a reference track, and a person may edit the words that it heard.

Source: live OpenAPI, POST /v2/generate/audio/preprocess. It does not say what the call costs, so it counts as paid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from airflow_provider_music.api.bounded_body import key_of, quoted
from airflow_provider_music.api.endpoints import CLIENT_REQUEST_ID, Call
from airflow_provider_music.api.parsing import id_or_none, number_or_none, text_or_none
from airflow_provider_music.api.responses import check
from airflow_provider_music.api.secrecy import masked
from airflow_provider_music.api.usage import Usage, usage_of_answer
from airflow_provider_music.exceptions import UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.api.bounded_body import AnyResponse
    from airflow_provider_music.api.connection import MusicSettings

PREPROCESS_PATH = "/v2/generate/audio/preprocess"
#: How long the API keeps what it made of the track.
VALID_HOURS = 24
#: Neither has a limit in the documents. What goes into Airflow's database needs one: a cover takes 3000 characters.
_MOST_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class CoverFeatures:
    """What the API made of a reference track.

    :param formatted_lyrics: the words that it heard, with tags such as ``[Verse]``.
    :param structure_result: the song's structure, JSON text as the model behind the API writes it.
    :param audio_duration: of the track, in seconds.
    """

    cover_feature_id: str
    formatted_lyrics: str
    structure_result: str | None
    audio_duration: float | None
    usage: Usage = field(default_factory=Usage)
    trace_id: str | None = None


def preprocess(body: Mapping[str, Any], client_request_id: str, settings: MusicSettings) -> Call[CoverFeatures]:
    """Have a reference track analysed. Counts as paid; the POST stays open meanwhile, as long as a generation's may."""
    return Call(
        f"POST {PREPROCESS_PATH} for {body.get('model')}",
        "POST",
        PREPROCESS_PATH,
        _features,
        {
            "json": dict(body),
            "headers": {CLIENT_REQUEST_ID: client_request_id},
            "timeout": httpx.Timeout(settings.generation_timeout, connect=settings.connect_timeout),
        },
    )


def _features(response: AnyResponse, what: str) -> CoverFeatures:
    body = check(response, what)
    feature_id = id_or_none(body.get("cover_feature_id"))
    if feature_id is None:
        raise UnknownOutcomeError(f"{what}: the answer has no usable cover_feature_id")
    structure = _words(body.get("structure_result"), response)
    return CoverFeatures(
        feature_id,
        _words(body.get("formatted_lyrics"), response) or "",
        structure if structure is None or len(structure) < _MOST_CHARACTERS else None,
        number_or_none(body.get("audio_duration")),
        usage_of_answer(body, response),
        quoted(response, text_or_none(body.get("trace_id")) or "") or None,
    )


def _words(value: Any, response: AnyResponse) -> str | None:
    """Return text that keeps its lines, of bounded length, without the key."""
    return masked(value, key_of(response))[:_MOST_CHARACTERS] if isinstance(value, str) else None
