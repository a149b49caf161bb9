# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the model catalogue is written with: kinds of fields, markers, rules between fields, the audio setting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, cast, get_args
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

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

SAMPLE_RATES_HZ = (16000, 24000, 32000, 44100)
BITRATES_BPS = (32000, 64000, 128000, 256000)
FORMATS = ("mp3", "wav", "pcm")
# The documents say "50 MB"; read as MiB, so that only what is too long either way is refused here.
MAX_INLINE_BYTES = 50 * 1024 * 1024

_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,([A-Za-z0-9+/]+={0,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reference:
    """Marks a field that names a track, or what the API made of one: no words of the song.

    It usually takes the result of another task, whose empty XCom renders as the text "None".

    :param kind: an id that an upload returned ("voice", "instrumental"), the track's "url", or its "features" by id.
    """

    kind: Literal["voice", "instrumental", "url", "features"]

    @property
    def is_upload(self) -> bool:
        """Whether it is an id that an upload returned."""
        return self.kind in ("voice", "instrumental")


@dataclass(frozen=True, slots=True)
class Length:
    """Marks a field that says how long the song is to be.

    :param per_second: units of the field in a second.
    :param kept: whether the model keeps to it; where it does not, the price is that of its longest song.
    """

    per_second: int = 1
    kept: bool = True


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


def problem(kind: str, message: str, loc: tuple[int | str, ...], value: Any, **ctx: Any) -> InitErrorDetails:
    """Return a problem as pydantic reports it; ``ctx`` holds what its sentence needs."""
    # pydantic types kind and message as literals, for nothing that it would use them for.
    error = PydanticCustomError(cast("Any", kind), cast("Any", message), ctx or None)
    return InitErrorDetails(type=error, loc=loc, input=value)


class Body(BaseModel):
    """A JSON object whose problems are all found at once; null means "not given"."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    required: ClassVar[tuple[str, ...]] = ()
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _find_every_problem(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if not isinstance(data, Mapping):
            return handler(data)
        data = {key: value for key, value in data.items() if value is not None}
        problems = list(cls._problems(data, {*data, *cls._given_elsewhere(info)}))
        made: Self | None = None
        try:
            made = handler(cls._canonical(data))
        except ValidationError as error:
            problems += [
                problem(found["type"], found["msg"], found["loc"], found["input"], **found.get("ctx", {}))
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
        """Yield what no single field can know (pydantic skips "after" validators when a field is wrong)."""
        for name in cls.required:
            if name not in given:
                yield problem("required", "Field required", (name,), None)
            elif isinstance(text := data.get(name), str) and text.isspace():
                yield problem("blank", "Only white space", (name,), text)
        for rule in cls.rules:
            if rule.when is not None and rule.when not in given:
                continue
            found = [name for name in rule.fields if name in given]
            if not found:
                message = f"Needs {' or '.join(rule.fields)}"
                yield problem("none_of", message, (" or ".join(rule.fields),), None, **asdict(rule))
            elif rule.at_most is not None and len(found) > rule.at_most:
                message = f"Takes only one of {', '.join(rule.fields)}"
                yield problem("too_many_of", message, (" and ".join(found),), None)


def object_of(field: FieldInfo) -> type[Body] | None:
    """Return the class of a field that is a JSON object; None for any other field."""
    classes = (each for each in (field.annotation, *get_args(field.annotation)) if isinstance(each, type))
    return next((each for each in classes if issubclass(each, Body)), None)


def one_of(*choices: Any) -> AfterValidator:
    """Return the check of a field that takes one of some values."""

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
# numbers and booleans are taken as strings too, and sent as numbers and booleans.
Whole = Annotated[int, BeforeValidator(_not_bool)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
WebUrlOrDataUri = Annotated[str, AfterValidator(_web_url_or_data_uri)]


def text(shortest: int, longest: int | None = None) -> Any:
    """Return a field of text, its lengths in characters."""
    if longest is None:
        says = f"text of at least {shortest} character{'s' if shortest != 1 else ''}"
    else:
        says = f"text of {shortest} to {longest} characters" if shortest else f"text of at most {longest} characters"
    return Field(default=None, min_length=shortest, max_length=longest, description=says)


def number(least: int, most: int | None = None) -> Any:
    """Return a field of a whole number, both limits included."""
    says = f"a whole number, {least} to {most}" if most is not None else f"a whole number, {least} or more"
    return Field(default=None, ge=least, le=most, description=says)


def described(says: str) -> Any:
    """Return a field whose type says its limits; ``says`` is what a message tells the user to give."""
    return Field(default=None, description=says)


def choice(*choices: Any) -> Any:
    """Return a field that takes one of some values; :func:`one_of` checks it."""
    return Field(default=None, description=f"one of {', '.join(map(str, choices))}")


SETTING = "an object with sample_rate, bitrate and format"
FLAG = "true or false"
URL = "an http or https URL of the track, which the API can fetch"


class AudioSetting(Body):
    """How the song is encoded: ``sample_rate`` in Hz, ``bitrate`` in bit/s, ``format`` mp3, wav or pcm."""

    sample_rate: Annotated[Whole, one_of(*SAMPLE_RATES_HZ)] | None = choice(*SAMPLE_RATES_HZ)
    bitrate: Annotated[Whole, one_of(*BITRATES_BPS)] | None = choice(*BITRATES_BPS)
    format: Annotated[str, one_of(*FORMATS)] | None = choice(*FORMATS)

    # In music-1.5, 2.0 and 2.6 the rate is ``audio_sample_rate`` in aimlapi/api-docs since 2026-04-20, and
    # ``sample_rate`` before that and again in the live OpenAPI; in music-01 and music-cover it always was
    # ``sample_rate``. Both are taken, ``sample_rate`` is sent.
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
            yield problem("two_rates", "Two values for one rate", ("sample_rate",), first, other=repr(second))


class FullAudioSetting(AudioSetting):
    """The same, where ``format`` is required."""

    required = ("format",)
