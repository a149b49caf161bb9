# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The model catalogue: what each music model takes, in one place.

Each class is one model's wire body. The operators check a request with it before anything is sent, the sandbox
checks with it what it receives: ``find(model).model_validate(body)``. All problems of a body are found together.

A new model is a class here and its place in ``CATALOGUE``. A new field is also a name in ``fields.py``, and an
argument of the operator (``operators/generate.py``). What the rest of the package has to know of a field stands
at the field: ``Annotated[..., Reference(kind)]`` for one that names a track, ``Annotated[..., Length()]`` for one
that says how long the song is to be. A class of fields of its own, as AudioSetting is, marks a JSON object.

Sources, named in each class's ``source``: "aimlapi/api-docs" is that repository as of 2026-08-21, paths below
docs/api-references/music-models; "live OpenAPI" is what https://api.aimlapi.com/docs-yaml said after
2026-09-17. Where they differ the newer one, the live OpenAPI, counts, and a comment says so.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar, cast

from pydantic import Field, ValidationInfo

from airflow_provider_music.api.schema import (
    FLAG,
    SETTING,
    URL,
    AudioSetting,
    Body,
    FullAudioSetting,
    Length,
    Reference,
    Rule,
    WebUrl,
    WebUrlOrDataUri,
    Whole,
    described,
    number,
    object_of,
    problem,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic_core import InitErrorDetails

Marker = TypeVar("Marker", Reference, Length)

#: How long a song of a model that nobody has timed takes, in seconds: near the middle of the known ones.
USUAL_SECONDS = 60.0


class MusicRequest(Body):
    """The body of a request for one song, and what is known of the model that it goes to.

    A validation context ``{"given": names}`` names fields that are sent without passing through here
    (``extra_body``): they count as given, and are not checked.
    """

    lane: ClassVar[Literal["queued", "synchronous"]] = "queued"
    """"synchronous": the POST answers with the song. "queued": it answers with an id to poll."""
    id: ClassVar[str]
    """The model's name."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names by which the API knows it."""
    usual_seconds: ClassVar[float]
    """How long a song usually takes, in seconds, from the sample runs in the vendor's documents."""
    max_seconds: ClassVar[float | None] = None
    """The longest song, in seconds, where the vendor gives one."""
    default_format: ClassVar[str] = "mp3"
    """The format of the song when the request names none: mp3 or wav."""
    source: ClassVar[str]
    """Where the fields and limits come from."""
    prompt_is_lyrics: ClassVar[bool] = False
    """Whether the model sings its ``prompt``."""
    vocals: ClassVar[Literal["made", "none", "unknown"]] = "unknown"
    """Whether the model sings; "unknown" where that depends on the request, or its source does not say."""
    makes_music: ClassVar[bool] = True
    """Whether what it returns is music that the model makes."""

    model: str = Field(description="the model's name")

    @classmethod
    def _given_elsewhere(cls, info: ValidationInfo) -> Iterable[str]:
        return cast("Iterable[str]", (info.context or {}).get("given", ()))

    @classmethod
    def _problems(cls, data: dict[str, Any], given: set[str]) -> Iterator[InitErrorDetails]:
        yield from super()._problems(data, given)
        model = data.get("model")
        if isinstance(model, str) and model not in {cls.id, *cls.aliases}:
            yield problem("not_one_of", "Expected {choices}", ("model",), model, choices=cls.id)

    @classmethod
    def fields(cls) -> tuple[str, ...]:
        """Return the names of the fields that the model takes, without ``model``."""
        return tuple(name for name in cls.model_fields if name != "model")

    @classmethod
    def marked(cls, marker: type[Marker]) -> dict[str, Marker]:
        """Return the fields that carry a marker of that class, each with its marker."""
        found = ((name, each) for name, field in cls.model_fields.items() for each in field.metadata)
        return {name: each for name, each in found if isinstance(each, marker)}

    def wire(self) -> dict[str, Any]:
        """Return the JSON body to send: canonical names, only what was given."""
        return self.model_dump(mode="json", exclude_unset=True)


class Music01(MusicRequest):
    """MiniMax music-01: sings new lyrics in the manner of an uploaded reference track."""

    # 600 characters by the AI/ML API; resellers of the same model say 200 (302.AI), 350 to 400 (Replicate,
    # WaveSpeed) or 400 (Segmind). Lyrics that overrun the minute end as "Downstream service error."
    id = "music-01"
    vocals = "made"
    lane = "synchronous"
    usual_seconds = 55.0
    max_seconds = 60.0
    source = "aimlapi/api-docs MiniMax/music-01.json; the either-or rule is in its prose"
    required = ("lyrics",)
    rules = (
        Rule(
            ("refer_voice", "refer_instrumental"),
            fix="run UploadReferenceOperator first and pass its voice_id or instrumental_id",
        ),
    )

    lyrics: str | None = text(1, 600)
    refer_voice: Annotated[str | None, Reference("voice")] = text(1)
    refer_instrumental: Annotated[str | None, Reference("instrumental")] = text(1)
    audio_setting: FullAudioSetting | None = described(SETTING)


class MinimaxMusic(MusicRequest):
    """MiniMax's first queued model: sings its prompt in the manner of a reference track."""

    id = "minimax-music"
    vocals = "made"
    usual_seconds = 55.0
    max_seconds = 60.0
    source = "aimlapi/api-docs MiniMax/minimax-music.json, live OpenAPI"
    required = ("prompt", "reference_audio_url")
    prompt_is_lyrics = True

    prompt: str | None = text(1, 600)
    reference_audio_url: Annotated[WebUrl | None, Reference("url")] = described(URL)


class Music15(MusicRequest):
    """MiniMax Music 1.5: a song from a description and lyrics."""

    id = "minimax/music-1.5"
    vocals = "made"
    usual_seconds = 85.0
    max_seconds = 240.0
    source = "aimlapi/api-docs MiniMax/music-1.5.json, live OpenAPI"
    required = ("prompt", "lyrics")

    prompt: str | None = text(10, 300)
    lyrics: str | None = text(10, 3000)
    audio_setting: AudioSetting | None = described(SETTING)


class Music20(MusicRequest):
    """MiniMax Music 2.0: a song from a description and lyrics."""

    id = "minimax/music-2.0"
    vocals = "made"
    usual_seconds = 75.0
    max_seconds = 240.0
    source = "aimlapi/api-docs MiniMax/music-2.0.json, live OpenAPI"
    required = ("prompt", "lyrics")

    prompt: str | None = text(10, 2000)
    lyrics: str | None = text(10, 3000)
    audio_setting: AudioSetting | None = described(SETTING)


class Music26(MusicRequest):
    """MiniMax Music 2.6: a song or an instrumental; can write its own lyrics."""

    # The prose says 10 to 2000 characters for the prompt; the schema has only the upper limit, and asks for
    # nothing but the model.
    id = "minimax/music-2.6"
    usual_seconds = 90.0
    source = "aimlapi/api-docs MiniMax/music-2.6.json, live OpenAPI"

    prompt: str | None = text(0, 2000)
    lyrics: str | None = text(0, 3000)
    lyrics_optimizer: bool | None = described(FLAG)
    is_instrumental: bool | None = described(FLAG)
    audio_setting: AudioSetting | None = described(SETTING)


class MusicCover(MusicRequest):
    """MiniMax Music Cover: a known track in another style."""

    # aimlapi/api-docs requires reference_audio_url; the live OpenAPI takes cover_feature_id in its place.
    id = "minimax/music-cover"
    vocals = "made"
    usual_seconds = 90.0
    source = "aimlapi/api-docs MiniMax/music-cover.json; cover_feature_id: live OpenAPI"
    required = ("prompt",)
    rules = (
        Rule(
            ("reference_audio_url", "cover_feature_id"),
            at_most=1,
            fix="give the track's URL, or the cover_feature_id that the API made of it in the last 24 hours",
        ),
        Rule(("lyrics",), when="cover_feature_id", fix="give 10 to 3000 characters of lyrics"),
    )

    prompt: str | None = text(10, 2000)
    lyrics: str | None = text(10, 3000)
    reference_audio_url: Annotated[WebUrlOrDataUri | None, Reference("url")] = described(
        f"{URL}, or a data URI of its bytes (data:audio/mpeg;base64,<bytes>)"
    )
    cover_feature_id: Annotated[str | None, Reference("features")] = text(1)
    audio_setting: AudioSetting | None = described(SETTING)


class Lyria2(MusicRequest):
    """Google Lyria 2: an instrumental of about half a minute."""

    # The prompt's limit stands in a text copied from minimax-music ("Maximum 600 characters"); an older
    # schema has none. The newer document counts.
    id = "google/lyria2"
    vocals = "none"
    aliases = ("lyria2",)
    usual_seconds = 35.0
    default_format = "wav"
    source = "aimlapi/api-docs Google/Lyria-2.json; alias: live OpenAPI"
    required = ("prompt",)

    prompt: str | None = text(1, 600)
    negative_prompt: str | None = described("text")
    seed: Whole | None = number(0)


class StableAudio(MusicRequest):
    """Stability AI Stable Audio: music or sounds of up to 47 seconds."""

    id = "stable-audio"
    usual_seconds = 40.0
    max_seconds = 47.0
    default_format = "wav"
    source = "aimlapi/api-docs Stability-AI/stable-audio.json, live OpenAPI"
    required = ("prompt",)

    prompt: str | None = text(1)
    seconds_start: Whole | None = number(1, 47)
    seconds_total: Annotated[Whole | None, Length()] = number(1, 47)
    steps: Whole | None = number(1, 1000)


class ElevenMusic(MusicRequest):
    """ElevenLabs Eleven Music: 10 seconds to 5 minutes; the length "may not always be respected"."""

    id = "elevenlabs/eleven_music"
    usual_seconds = 25.0
    max_seconds = 300.0
    source = "aimlapi/api-docs elevenlabs/eleven_music.json, live OpenAPI"
    required = ("prompt",)

    prompt: str | None = text(1, 2000)
    music_length_ms: Annotated[Whole | None, Length(per_second=1000, kept=False)] = number(10_000, 300_000)


class DummyAudio(MusicRequest):
    """The vendor's own stub: undocumented, price unknown. Its ``test`` object goes into extra_body."""

    id = "test/dummy-audio"
    makes_music = False
    usual_seconds = 5.0
    max_seconds = 10.0
    source = "live OpenAPI"
    required = ("prompt",)

    prompt: str | None = text(1)
    duration: Annotated[Whole | None, Length()] = number(1, 10)


CATALOGUE: tuple[type[MusicRequest], ...] = (
    Music01,
    MinimaxMusic,
    Music15,
    Music20,
    Music26,
    MusicCover,
    Lyria2,
    StableAudio,
    ElevenMusic,
    DummyAudio,
)
"""Every model that this version knows. MiniMax's own newer ones (music-3.0) are not on the AI/ML API."""

_BY_NAME = {name: known for known in CATALOGUE for name in (known.id, *known.aliases)}

REFERENCES: dict[str, Reference] = {
    name: marker for known in CATALOGUE for name, marker in known.marked(Reference).items()
}
"""Fields that name a track or what the API made of one, in any model."""

OBJECT_FIELDS: tuple[str, ...] = tuple(
    dict.fromkeys(name for known in CATALOGUE for name, field in known.model_fields.items() if object_of(field))
)
"""Fields that are JSON objects, in any model; a template renders them as text."""


def find(model: Any) -> type[MusicRequest] | None:
    """Return the class of the model of this id or alias; None for anything else."""
    return _BY_NAME.get(model) if isinstance(model, str) else None


def usual_seconds(model: Any) -> float:
    """Return how long a song of the model usually takes, in seconds."""
    known = find(model)
    return known.usual_seconds if known else USUAL_SECONDS


def requested_ms(body: Mapping[str, Any]) -> int | None:
    """Return the length that a request asks for, in milliseconds, where its model takes one and it is given."""
    known = find(body.get("model"))
    for name, length in known.marked(Length).items() if known else ():
        value = body.get(name)
        if isinstance(value, int) and value > 0:
            return value * 1000 // length.per_second
    return None


def nearest_model(model: str) -> str | None:
    """Return the name in the catalogue that is nearest to another, by its spelling; None where none is near.

    A name without its vendor ("music-2.6") is nearest to the whole one.
    """
    plain = model.strip().lower()
    whole = next((name for name in known_names() if plain and name.endswith(f"/{plain}")), None)
    return whole or next(iter(difflib.get_close_matches(plain, known_names(), n=1)), None)


def known_names() -> tuple[str, ...]:
    """Return every id and alias of the catalogue."""
    return tuple(_BY_NAME)
