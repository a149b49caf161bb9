# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The model catalogue: what each music model takes, in one place.

Each class is one model's wire body. The operators check with it before anything is sent, the sandbox checks
with it what came in: ``find(model).model_validate(body)``. All problems of a body are found together.

Sources, named in each class's ``source``: "api-docs" is the repository aimlapi/api-docs (2026-08-21), its paths
below docs/api-references/music-models; "live OpenAPI" is what https://api.aimlapi.com/docs-yaml said after
2026-09-17. Where they differ the newer one, the live OpenAPI, counts, and a comment says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

SAMPLE_RATES_HZ = (16000, 24000, 32000, 44100)
BITRATES_BPS = (32000, 64000, 128000, 256000)
FORMATS = ("mp3", "wav", "pcm")
# The documents say "50 MB"; the larger reading, so that only what is too long either way is refused here.
MAX_INLINE_BYTES = 50 * 1024 * 1024

_DATA_URI = re.compile(
    r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,([A-Za-z0-9+/]+={0,2})", re.ASCII
)


@dataclass(frozen=True)
class Rule:
    """How many of some fields have to be given together.

    :param fields: the fields that are counted.
    :param at_most: how many of them may be given; at least one has to be.
    :param when: the rule holds only if this field is given.
    :param fix: what the user can do when none of them is given.
    """

    fields: tuple[str, ...]
    fix: str
    at_most: int | None = None
    when: str | None = None


def _problem(kind: str, message: str, loc: tuple[int | str, ...], value: Any, **ctx: Any) -> InitErrorDetails:
    # pydantic types kind and message as literals, for nothing that it would use them for.
    error = PydanticCustomError(cast("Any", kind), cast("Any", message), ctx or None)
    return InitErrorDetails(type=error, loc=loc, input=value)


class _Body(BaseModel):
    """A JSON object whose problems are all found at once; null means "not given"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    required: ClassVar[tuple[str, ...]] = ()
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _find_every_problem(
        cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        if not isinstance(data, Mapping):
            return handler(data)
        data = {key: value for key, value in data.items() if value is not None}
        problems = list(cls._problems(data, {*data, *cls._given_elsewhere(info)}))
        made: Self | None = None
        try:
            made = handler(cls._canonical(data))
        except ValidationError as error:
            problems += [
                _problem(found["type"], found["msg"], found["loc"], found["input"], **found.get("ctx", {}))
                for found in error.errors(include_url=False)
            ]
        if made is None or problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return made

    @classmethod
    def _given_elsewhere(cls, info: ValidationInfo) -> Iterable[str]:  # noqa: ARG003 - for subclasses
        return ()

    @classmethod
    def _canonical(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Return the same data under the names that are sent."""
        return data

    @classmethod
    def _problems(cls, data: dict[str, Any], given: set[str]) -> Iterator[InitErrorDetails]:
        """Yield what no single field can know. pydantic's own "after" validators are skipped when a field is bad."""
        for name in cls.required:
            if name not in given:
                yield _problem("required", "Field required", (name,), None)
            elif isinstance(text := data.get(name), str) and text.isspace():
                yield _problem("blank", "Only white space", (name,), text)
        for rule in cls.rules:
            if rule.when is not None and rule.when not in given:
                continue
            found = [name for name in rule.fields if name in given]
            if not found:
                message = f"Needs {' or '.join(rule.fields)}"
                yield _problem(
                    "none_of", message, (" or ".join(rule.fields),), None, fix=rule.fix, when=rule.when
                )
            elif rule.at_most is not None and len(found) > rule.at_most:
                message = f"Takes only one of {', '.join(rule.fields)}"
                yield _problem("too_many_of", message, (" and ".join(found),), None)


def _one_of(*choices: Any) -> AfterValidator:
    def check(value: Any) -> Any:
        if value not in choices:
            listed = ", ".join(map(str, choices))
            raise PydanticCustomError("not_one_of", "Expected one of {choices}", {"choices": listed})
        return value

    return AfterValidator(check)


def _not_bool(value: Any) -> Any:
    # pydantic takes True for 1; in a request it is a slip.
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "Expected a whole number")
    return value


def _is_web_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and has_host and not re.search(r"\s", value)


def _web_url(value: str) -> str:
    if not _is_web_url(value):
        raise PydanticCustomError("web_url", "Expected an http or https URL")
    return value


def _web_url_or_data_uri(value: str) -> str:
    if value[:5].lower() != "data:":
        return _web_url(value)
    match = _DATA_URI.fullmatch(value)
    if match is None or len(match[1]) % 4:
        raise PydanticCustomError("data_uri", "Expected data:<type>;base64,<data>")
    size = len(match[1]) // 4 * 3 - match[1].count("=", -2)
    if size > MAX_INLINE_BYTES:
        raise PydanticCustomError("data_uri_size", "Expected at most 50 MB", {"size": size})
    return value


# Airflow's templates render strings, and the API's own documents write their defaults as such ("44100"), so
# numbers and booleans are taken in that shape too and sent as what they are.
Whole = Annotated[int, BeforeValidator(_not_bool)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
WebUrlOrDataUri = Annotated[str, AfterValidator(_web_url_or_data_uri)]


def _text(shortest: int, longest: int | None = None) -> Any:
    if longest is None:
        says = f"text of at least {shortest} character{'s' if shortest != 1 else ''}"
    else:
        says = (
            f"text of {shortest} to {longest} characters"
            if shortest
            else f"text of at most {longest} characters"
        )
    return Field(default=None, min_length=shortest, max_length=longest, description=says)


def _number(least: int, most: int | None = None) -> Any:
    says = f"a whole number, {least} to {most}" if most is not None else f"a whole number, {least} or more"
    return Field(default=None, ge=least, le=most, description=says)


def _given(says: str) -> Any:
    return Field(default=None, description=says)


def _one(choices: tuple[Any, ...]) -> Any:
    return Field(default=None, description=f"one of {', '.join(map(str, choices))}")


_SETTING = "an object with sample_rate, bitrate and format"
_FLAG = "true or false"
_URL = "an http or https URL of the track, which the API can fetch"


class AudioSetting(_Body):
    """How the song is encoded: ``sample_rate`` in Hz, ``bitrate`` in bit/s, ``format`` mp3, wav or pcm."""

    sample_rate: Annotated[Whole, _one_of(*SAMPLE_RATES_HZ)] | None = _one(SAMPLE_RATES_HZ)
    bitrate: Annotated[Whole, _one_of(*BITRATES_BPS)] | None = _one(BITRATES_BPS)
    format: Annotated[str, _one_of(*FORMATS)] | None = _one(FORMATS)

    # The rate is ``audio_sample_rate`` in api-docs since 2026-04-20 (music-1.5, 2.0, 2.6), ``sample_rate`` before
    # that, in music-01, in music-cover, and again in the live OpenAPI: both are taken, ``sample_rate`` is sent.
    @classmethod
    def _canonical(cls, data: dict[str, Any]) -> dict[str, Any]:
        if "audio_sample_rate" not in data:
            return data
        rest = {key: value for key, value in data.items() if key != "audio_sample_rate"}
        return {"sample_rate": data["audio_sample_rate"], **rest}

    @classmethod
    def _problems(cls, data: dict[str, Any], given: set[str]) -> Iterator[InitErrorDetails]:
        yield from super()._problems(data, given)
        first, second = data.get("sample_rate"), data.get("audio_sample_rate")
        if first is not None and second is not None and str(first) != str(second):
            yield _problem(
                "two_rates", "Two values for one rate", ("sample_rate",), first, other=repr(second)
            )


class FullAudioSetting(AudioSetting):
    """The same where ``format`` has to be said."""

    required = ("format",)


class MusicRequest(_Body):
    """The body of a request for one song, and what is known of the model that it goes to.

    A validation context ``{"given": names}`` names fields that reach the wire some other way: they count as
    given, and are not checked.
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
    """The longest song, in seconds, where the vendor says it."""
    default_format: ClassVar[str] = "mp3"
    """The format of the song when none is asked for: mp3 or wav."""
    source: ClassVar[str]
    """Where the fields and limits come from."""
    prompt_is_lyrics: ClassVar[bool] = False
    """Whether the model sings its ``prompt``."""

    model: str = Field(description="the model's name")

    @classmethod
    def _given_elsewhere(cls, info: ValidationInfo) -> Iterable[str]:
        return cast("Iterable[str]", (info.context or {}).get("given", ()))

    @classmethod
    def _problems(cls, data: dict[str, Any], given: set[str]) -> Iterator[InitErrorDetails]:
        yield from super()._problems(data, given)
        model = data.get("model")
        if isinstance(model, str) and model not in {cls.id, *cls.aliases}:
            yield _problem("not_one_of", "Expected {choices}", ("model",), model, choices=cls.id)

    @classmethod
    def fields(cls) -> tuple[str, ...]:
        """Return the names of the fields that the model takes, without ``model``."""
        return tuple(name for name in cls.model_fields if name != "model")

    def wire(self) -> dict[str, Any]:
        """Return the JSON body to send: canonical names, only what was given."""
        return self.model_dump(mode="json", exclude_unset=True)


class Music01(MusicRequest):
    """MiniMax music-01: sings new lyrics in the manner of an uploaded reference track."""

    # 600 characters by the AI/ML API; resellers of the same model say 200 (302.AI), 350 to 400 (Replicate,
    # WaveSpeed) or 400 (Segmind). Lyrics that overrun the minute end as "Downstream service error."
    id = "music-01"
    lane = "synchronous"
    usual_seconds = 55.0
    max_seconds = 60.0
    source = "api-docs MiniMax/music-01.json; the either-or rule is in its prose"
    required = ("lyrics",)
    rules = (
        Rule(
            ("refer_voice", "refer_instrumental"),
            fix="run UploadReferenceOperator first and pass its voice_id or instrumental_id",
        ),
    )

    lyrics: str | None = _text(1, 600)
    refer_voice: str | None = _text(1)
    refer_instrumental: str | None = _text(1)
    audio_setting: FullAudioSetting | None = _given(_SETTING)


class MinimaxMusic(MusicRequest):
    """MiniMax's first queued model: sings its prompt in the manner of a reference track."""

    id = "minimax-music"
    usual_seconds = 55.0
    max_seconds = 60.0
    source = "api-docs MiniMax/minimax-music.json, live OpenAPI"
    required = ("prompt", "reference_audio_url")
    prompt_is_lyrics = True

    prompt: str | None = _text(1, 600)
    reference_audio_url: WebUrl | None = _given(_URL)


class Music15(MusicRequest):
    """MiniMax Music 1.5: a song from a description and lyrics."""

    id = "minimax/music-1.5"
    usual_seconds = 85.0
    max_seconds = 240.0
    source = "api-docs MiniMax/music-1.5.json, live OpenAPI"
    required = ("prompt", "lyrics")

    prompt: str | None = _text(10, 300)
    lyrics: str | None = _text(10, 3000)
    audio_setting: AudioSetting | None = _given(_SETTING)


class Music20(MusicRequest):
    """MiniMax Music 2.0: a song from a description and lyrics."""

    id = "minimax/music-2.0"
    usual_seconds = 75.0
    max_seconds = 240.0
    source = "api-docs MiniMax/music-2.0.json, live OpenAPI"
    required = ("prompt", "lyrics")

    prompt: str | None = _text(10, 2000)
    lyrics: str | None = _text(10, 3000)
    audio_setting: AudioSetting | None = _given(_SETTING)


class Music26(MusicRequest):
    """MiniMax Music 2.6: a song or an instrumental; can write its own lyrics."""

    # The prose says 10 to 2000 characters for the prompt; the schema has only the upper limit, and asks for
    # nothing but the model.
    id = "minimax/music-2.6"
    usual_seconds = 90.0
    source = "api-docs MiniMax/music-2.6.json, live OpenAPI"

    prompt: str | None = _text(0, 2000)
    lyrics: str | None = _text(0, 3000)
    lyrics_optimizer: bool | None = _given(_FLAG)
    is_instrumental: bool | None = _given(_FLAG)
    audio_setting: AudioSetting | None = _given(_SETTING)


class MusicCover(MusicRequest):
    """MiniMax Music Cover: a known track in another style."""

    # api-docs requires reference_audio_url; the live OpenAPI has cover_feature_id in its place, which needs lyrics.
    id = "minimax/music-cover"
    usual_seconds = 90.0
    source = "api-docs MiniMax/music-cover.json; cover_feature_id: live OpenAPI"
    required = ("prompt",)
    rules = (
        Rule(
            ("reference_audio_url", "cover_feature_id"),
            at_most=1,
            fix="give the track's URL, or the cover_feature_id that the API made of it in the last 24 hours",
        ),
        Rule(("lyrics",), when="cover_feature_id", fix="give 10 to 3000 characters of lyrics"),
    )

    prompt: str | None = _text(10, 2000)
    lyrics: str | None = _text(10, 3000)
    reference_audio_url: WebUrlOrDataUri | None = _given(f"{_URL}, or data:audio/...;base64,...")
    cover_feature_id: str | None = _text(1)
    audio_setting: AudioSetting | None = _given(_SETTING)


class Lyria2(MusicRequest):
    """Google Lyria 2: an instrumental of about half a minute."""

    # Its prompt's limit stands in a text copied from minimax-music ("Maximum 600 characters"); an older schema has
    # none. It is the API's newest word, so it counts.
    id = "google/lyria2"
    aliases = ("lyria2",)
    usual_seconds = 35.0
    default_format = "wav"
    source = "api-docs Google/lyria-2.json; alias: live OpenAPI"
    required = ("prompt",)

    prompt: str | None = _text(1, 600)
    negative_prompt: str | None = _text(0)
    seed: Whole | None = _number(0)


class StableAudio(MusicRequest):
    """Stability AI Stable Audio: music or sounds of up to 47 seconds."""

    id = "stable-audio"
    usual_seconds = 40.0
    max_seconds = 47.0
    default_format = "wav"
    source = "api-docs Stability-AI/stable-audio.json, live OpenAPI"
    required = ("prompt",)

    prompt: str | None = _text(1)
    seconds_start: Whole | None = _number(1, 47)
    seconds_total: Whole | None = _number(1, 47)
    steps: Whole | None = _number(1, 1000)


class ElevenMusic(MusicRequest):
    """ElevenLabs Eleven Music: 10 seconds to 5 minutes; the length "may not always be respected"."""

    id = "elevenlabs/eleven_music"
    usual_seconds = 25.0
    max_seconds = 300.0
    source = "api-docs ElevenLabs/eleven_music.json, live OpenAPI"
    required = ("prompt",)

    prompt: str | None = _text(1, 2000)
    music_length_ms: Whole | None = _number(10_000, 300_000)


class DummyAudio(MusicRequest):
    """The vendor's own stub. Undocumented, so its price is unknown; its ``test`` object goes into extra_body."""

    id = "test/dummy-audio"
    usual_seconds = 5.0
    max_seconds = 10.0
    source = "live OpenAPI"
    required = ("prompt",)

    prompt: str | None = _text(1)
    duration: Whole | None = _number(1, 10)


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
"""Every model that this version knows. MiniMax has newer ones (music-3.0) that the AI/ML API does not offer."""

_BY_NAME = {name: known for known in CATALOGUE for name in (known.id, *known.aliases)}


def find(model: str) -> type[MusicRequest] | None:
    """Return the class of the model of this id or alias; None if the catalogue does not know it."""
    return _BY_NAME.get(model)


def known_names() -> tuple[str, ...]:
    """Return every id and alias of the catalogue."""
    return tuple(_BY_NAME)
