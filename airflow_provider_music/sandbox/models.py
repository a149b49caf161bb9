# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The models as the server knows them: what a song costs and is made from, which are served, which are withdrawn.

All that can be read off the package's catalogue (``api.models``) is: a new queued model there needs nothing here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from airflow_provider_music.api import models as catalogue
from airflow_provider_music.sandbox.responses import ApiError, json_response, settings_of, timestamp
from airflow_provider_music.sandbox.settings import CREDITS_PER_USD
from airflow_provider_music.sandbox.songs import SongSpec

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_music.sandbox.settings import Settings

Lane = Literal["queued", "synchronous"]
_LENGTH_FIELD = re.compile(r"seconds_total|(\w+_)?(length|duration)(_(ms|s|seconds))?")


@dataclass(frozen=True)
class ModelProfile:
    """What the server knows of one model; the defaults are a plain queued model's.

    :param usd: price of a song in USD.
    :param id_style: how its generation ids look.
    :param file_facts: whether its responses say the file's name, type and size.
    :param track_facts: whether its responses carry ``extra_info`` and ``trace_id``.
    :param rate: sample rate in Hz, where the request cannot say.
    :param max_seconds: longest song in seconds.
    :param default_format: format of the song where the request cannot say.
    :param content_type: of the file; None for the usual one of its format.
    """

    name: str
    usd: float = 0.1
    id_style: Literal["nanoid", "uuid:name"] = "uuid:name"
    file_facts: bool = False
    track_facts: bool = False
    rate: int = 44_100
    max_seconds: float = 240.0
    default_format: str = "mp3"
    content_type: str | None = None

    @property
    def credits(self) -> int:
        """Price of a song in credits."""
        return round(self.usd * CREDITS_PER_USD)


# Where the real API differs from the defaults and from the catalogue. Only music-2.6 has a published price; the
# others' are third-party figures or, where there are none, made up.
_SPECIAL: dict[str, dict[str, Any]] = {
    "music-01": {"usd": 0.07},
    "minimax-music": {"usd": 0.05, "file_facts": True},
    "minimax/music-1.5": {"usd": 0.15, "track_facts": True},
    "minimax/music-2.0": {"usd": 0.0315, "track_facts": True},
    "minimax/music-2.6": {"usd": 0.195, "id_style": "nanoid"},
    "minimax/music-cover": {"usd": 0.195, "id_style": "nanoid"},
    "google/lyria2": {"usd": 0.06, "file_facts": True, "rate": 48_000, "max_seconds": 32.8},
    "stable-audio": {"usd": 0.05, "file_facts": True, "content_type": "application/octet-stream"},
    "elevenlabs/eleven_music": {"usd": 0.2},
    "test/dummy-audio": {"usd": 0.01},
}


def catalogue_id(model: str) -> str:
    """Return the id of a model by id or alias; any other name stays as it is."""
    known = catalogue.find(model)
    return known.id if known else model


def profile_of(model: str) -> ModelProfile:
    """Return the profile of a model by id or alias; a model that nobody knows gets the defaults."""
    known = catalogue.find(model)
    if known is None:
        return ModelProfile(model)
    facts: dict[str, Any] = {"default_format": known.default_format}
    if known.max_seconds is not None:
        facts["max_seconds"] = known.max_seconds
    return ModelProfile(known.id, **facts | _SPECIAL.get(known.id, {}))


def song_of(model: str, body: dict[str, Any], settings: Settings) -> SongSpec:
    """Return what the song of a checked request body is made from.

    The reference ids are new with each upload, so they choose the parts and not the notes: with a voice
    only, a melody; with an instrumental only, the accompaniment.
    """
    profile = profile_of(model)
    setting = body.get("audio_setting") or {}
    rate = int(setting.get("sample_rate") or setting.get("audio_sample_rate") or profile.rate)
    voice, instrumental = body.get("refer_voice"), body.get("refer_instrumental")
    plain = {key: value for key, value in body.items() if key not in {"refer_voice", "refer_instrumental"}}
    canonical = json.dumps({**plain, "model": profile.name}, sort_keys=True)
    return SongSpec(
        text=str(body.get("lyrics") or body.get("prompt") or ""),
        seed=hashlib.sha256(canonical.encode()).hexdigest(),
        seconds=min(_requested_seconds(body) or settings.song_seconds, profile.max_seconds),
        rate=rate,
        bitrate=int(setting.get("bitrate") or 256_000),
        format=cast("Any", setting.get("format") or profile.default_format),
        lead=bool(voice) or not instrumental,
        backing=bool(instrumental) or not voice,
        size=settings.song_bytes,
    )


def _requested_seconds(body: dict[str, Any]) -> float | None:
    """Return the length that the request names, in a field whose name says so: in seconds, or in ms by its suffix."""
    for name, value in body.items():
        if _LENGTH_FIELD.fullmatch(name) and isinstance(value, int | float) and value:
            return value / 1000 if name.endswith("_ms") else float(value)
    return None


@dataclass(frozen=True)
class Withdrawal:
    """A model that is no longer served."""

    model: str
    replaced_by: str | None
    date: str


class ServedModels:
    """The catalogue without the models that were withdrawn."""

    def __init__(self) -> None:
        self.withdrawn: dict[str, Withdrawal] = {}

    def clear(self) -> None:
        """Serve all again."""
        self.withdrawn.clear()

    def withdraw(self, model: str, replaced_by: str | None) -> None:
        """Stop serving a model."""
        name = catalogue_id(model)
        self.withdrawn[name] = Withdrawal(name, replaced_by, time.strftime("%Y-%m-%d"))

    def restore(self, model: str) -> None:
        """Serve a model again."""
        self.withdrawn.pop(catalogue_id(model), None)


def _served_by(request: Request) -> ServedModels:
    return cast("ServedModels", request.app.state.models)


def checked_body(request: Request, body: dict[str, Any], lane: Lane) -> dict[str, Any]:
    """Return the body in canonical form, checked as the API does it.

    :raises ApiError: 404 for a model that is not served here, 400 for a body that is wrong.
    """
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise ApiError(400, details=[{"path": "model", "message": "Required"}])
    known = catalogue.find(name)
    refuse_withdrawn(request, name)
    if known is None and settings_of(request).any_model and lane == "queued":
        return body
    if known is None or known.lane != lane:
        raise ApiError(404, f"The model {name} does not exist at this path.")
    try:
        made = known.model_validate(body)
    except ValidationError as error:
        raise invalid_body(error) from None
    return made.wire()


def refuse_withdrawn(request: Request, name: object) -> None:
    """Refuse a model that is not served any more.

    :raises ApiError: 404.
    """
    if {name, catalogue_id(str(name))} & set(_served_by(request).withdrawn):
        raise ApiError(404, f"The model {name} is no longer available. See GET /v1/models/deprecations.")


def invalid_body(error: ValidationError) -> ApiError:
    """Return the 400 of a body that breaks the model's limits."""
    details = [
        {"path": ".".join(map(str, each["loc"])), "message": each["msg"]} for each in error.errors(include_url=False)
    ]
    return ApiError(400, details=details)


async def list_models(request: Request) -> Response:
    """``GET /v1/models``: what is served; ``id`` picks one (or an alias), ``include=pricing`` adds prices."""
    withdrawn, wanted = _served_by(request).withdrawn, request.query_params.getlist("id")
    priced = "pricing" in ",".join(request.query_params.getlist("include"))
    data = []
    for known in catalogue.CATALOGUE:
        name, aliases = known.id, known.aliases
        if name in withdrawn or (wanted and not {name, *aliases} & set(wanted)):
            continue
        row: dict[str, Any] = {"id": name, "aliases": list(aliases), "type": "audio", "info": {"name": name}}
        if priced:
            block = settings_of(request).pricing.get(name, _fixed(profile_of(name).usd))
            row |= {"pricing": block} if block is not None else {}
        data.append(row)
    return json_response(request, {"object": "list", "data": data})


def _fixed(usd: float) -> dict[str, Any]:
    # The documents show this form with tokens, and with seconds; how a whole song is called there is not known.
    unit = {"name": "generation", "measure": "output", "price": usd, "per": 1}
    return {"kind": "fixed", "currency": "USD", "units": [unit]}


async def deprecations(request: Request) -> Response:
    """``GET /v1/models/deprecations``: what is withdrawn, and what replaces it. No key; has an ETag."""
    data = _withdrawn(_served_by(request), request.query_params.getlist("status"))
    digest = hashlib.sha1(json.dumps(data).encode(), usedforsecurity=False).digest()
    tag = f'W/"{base64.urlsafe_b64encode(digest).decode().rstrip("=")}"'
    headers = {"etag": tag, "cache-control": "public, max-age=300"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return JSONResponse({"object": "list", "generated_at": timestamp(time.time()), "data": data}, headers=headers)


def _withdrawn(served: ServedModels, states: list[str]) -> list[dict[str, Any]]:
    all_states = {"deprecated", "superseded", "withdrawn"}
    wanted = {state.lower() for text in states for state in text.split(",")} & all_states
    if wanted and "withdrawn" not in wanted:
        return []
    aliases = {known.id: known.aliases for known in catalogue.CATALOGUE}
    return [
        {
            "id": each.model,
            "aliases": list(aliases.get(each.model, ())),
            "status": "withdrawn",
            "deprecated_at": each.date,
            "shutdown_at": each.date,
            "replaced_by": each.replaced_by,
            "reason": "provider_delisted",
        }
        for each in served.withdrawn.values()
    ]
