# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The problems of a request, in sentences that name the field, its value, the limit and the fix."""

from __future__ import annotations

import re
import reprlib
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.models import CATALOGUE, MusicRequest
from airflow_provider_music.api.naming import nearest
from airflow_provider_music.api.schema import object_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_WIDTH = 60
# A URL's query may hold its signature, and the part before "@" a password: neither belongs into a log.
_SECRET_PARTS = re.compile(r"(?<=://)[^/?#@\s]*@|[?#].*", re.DOTALL)


def shown(value: Any, *, quote: bool = True) -> str:
    """Return a value for a message: one line, about 60 characters at most, no secret part of a URL."""
    if isinstance(value, str):
        text = _SECRET_PARTS.sub("", value[:2000]) if "://" in value[:2000] else value
        text = text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
        return repr(text) if quote else repr(text)[1:-1]
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = _WIDTH
    text = " ".join(shortener.repr(value).split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def describe_problem(found: type[MusicRequest], model: str, error: ErrorDetails, called: Mapping[str, str]) -> str:
    """Return one problem that the catalogue found as a sentence.

    :param found: the model's class.
    :param model: the model's name, as the user gave it.
    :param error: the problem, as pydantic reports it.
    :param called: the user's names of fields, where they are not the fields' own.
    """
    path = [shown(str(part), quote=False) for part in error["loc"]]
    name = ".".join([called.get(path[0], path[0]), *path[1:]]) if path else "request"
    sentence = _SENTENCES.get(error["type"], _not_taken)
    return f"{name}: {sentence(found, model, error)}"


def _takes(found: type[MusicRequest], error: ErrorDetails) -> str:
    """Return what the field takes, as the catalogue describes it."""
    first, *rest = error["loc"] or ("",)
    inner = _inner_fields(found, first) if rest else None
    field = found.model_fields.get(str(first)) if inner is None else inner.get(str(rest[0]))
    return (field.description if field else None) or "a value that the API's documents name"


def _inner_fields(found: type[MusicRequest], name: object) -> Mapping[str, FieldInfo] | None:
    """Return the fields of a field that is a JSON object; None for any other."""
    field = found.model_fields.get(str(name))
    inner = object_of(field) if field else None
    return inner.model_fields if inner else None


def _not_taken(found: type[MusicRequest], model: str, error: ErrorDetails) -> str:
    return f"{shown(error['input'])} is not what {model} takes; give {_takes(found, error)}."


def _plural(count: int) -> str:
    return f"{count} character" if count == 1 else f"{count} characters"


def _too_long(_: type[MusicRequest], model: str, error: ErrorDetails) -> str:
    length, limit = len(error["input"]), error["ctx"]["max_length"]
    return f"{_plural(length)}, but {model} takes at most {limit}; shorten by {length - limit}."


def _too_short(_: type[MusicRequest], model: str, error: ErrorDetails) -> str:
    length, limit = len(error["input"]), error["ctx"]["min_length"]
    has = f"{shown(error['input'])}, {_plural(length)}" if length else "empty"
    return f"{has}, but {model} takes at least {_plural(limit)}; add {limit - length} or more."


def _blank(_: type[MusicRequest], model: str, error: ErrorDetails) -> str:
    return f"{_plural(len(error['input']))} of nothing but white space, but {model} needs text; write some."


def _too_low(found: type[MusicRequest], model: str, error: ErrorDetails) -> str:
    return (
        f"{shown(error['input'])}, but {model} takes {_takes(found, error)}; raise it to at least {error['ctx']['ge']}."
    )


def _too_high(found: type[MusicRequest], model: str, error: ErrorDetails) -> str:
    return (
        f"{shown(error['input'])}, but {model} takes {_takes(found, error)}; lower it to at most {error['ctx']['le']}."
    )


def _not_one_of(_: type[MusicRequest], __: str, error: ErrorDetails) -> str:
    choices = error["ctx"]["choices"]
    return f"{shown(error['input'])}, but one of {choices} is taken; choose one of them."


def _required(found: type[MusicRequest], model: str, error: ErrorDetails) -> str:
    when = f" when {error['loc'][0]} is given" if len(error["loc"]) > 1 else ""
    also = "; this model sings it as the lyrics" if error["loc"] == ("prompt",) and found.prompt_is_lyrics else ""
    return f"not given, but {model} needs it{when}{also}; give {_takes(found, error)}."


def _none_of(_: type[MusicRequest], model: str, error: ErrorDetails) -> str:
    when = error["ctx"]["when"]
    alone = " or " not in str(error["loc"][0])
    count = "it" if alone else "one of them" if error["ctx"]["at_most"] == 1 else "at least one"
    return f"not given, but {model} needs {count}{f' beside {when}' if when else ''}; {error['ctx']['fix']}."


def _too_many_of(_: type[MusicRequest], model: str, __: ErrorDetails) -> str:
    return f"given together, but {model} takes only one of them; leave the others out."


def _unknown_field(found: type[MusicRequest], model: str, error: ErrorDetails) -> str:
    *parents, name = (str(part) for part in error["loc"])
    if parents:
        names = tuple(_inner_fields(found, parents[0]) or ())
        near = nearest(name, names)
        hint = f"did you mean {near}?" if near else f"it takes {', '.join(names)}"
        return f"{parents[-1]} has no such field; leave it out ({hint})."
    takers = [known.id for known in CATALOGUE if name in known.fields()]
    if takers:
        hint = f"models that take it: {', '.join(takers)}"
    else:
        near = nearest(name, (*found.fields(), "model", "extra_body", "name"))
        hint = f"did you mean {near}?" if near else f"it takes {', '.join(found.fields())}"
    also = "or pass it in extra_body if the API has learned it"
    return f"{model} has no such field; leave it out ({hint}), {also}."


def _two_rates(_: type[MusicRequest], __: str, error: ErrorDetails) -> str:
    first, second = shown(error["input"]), error["ctx"]["other"]
    return f"{first}, but audio_sample_rate, its other name, says {second}; give only sample_rate."


def _bad_data_uri(_: type[MusicRequest], __: str, error: ErrorDetails) -> str:
    return (
        f"{shown(error['input'])} is not a whole data URI; give data:audio/...;base64,... with the padded "
        "base64 of the file, or an http or https URL."
    )


def _large_data_uri(_: type[MusicRequest], model: str, error: ErrorDetails) -> str:
    size = error["ctx"]["size"] / 1024 / 1024
    return f"{size:.1f} MB of audio, but {model} takes at most 50 MB; shorten it, or give its URL."


_SENTENCES: dict[str, Callable[[type[MusicRequest], str, ErrorDetails], str]] = {
    "blank": _blank,
    "data_uri": _bad_data_uri,
    "data_uri_size": _large_data_uri,
    "extra_forbidden": _unknown_field,
    "greater_than_equal": _too_low,
    "less_than_equal": _too_high,
    "none_of": _none_of,
    "not_one_of": _not_one_of,
    "required": _required,
    "string_too_long": _too_long,
    "string_too_short": _too_short,
    "too_many_of": _too_many_of,
    "two_rates": _two_rates,
}
