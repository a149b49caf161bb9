# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the mistakes of a request that a DAG's author wrote out, when the DAG file is parsed.

The rules are the catalogue's, whose import takes too long for every parse of every DAG. So what is here only tells the
values that every model takes from those that are worth its import: a text of unusual length, a number, a format. What
the catalogue then says is what the task would say; what is missed here, the task finds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_music.api.fields import REQUEST_FIELDS, UNSENT_KEYS
from airflow_provider_music.api.rights import rights_line
from airflow_provider_music.api.song_name import file_name

#: Lengths of words that every model takes.
SHORTEST, LONGEST = 10, 300
#: What every model with an ``audio_setting`` takes.
ORDINARY_SETTING: Mapping[str, tuple[object, ...]] = {"format": ("mp3", "wav"), "sample_rate": (44100,)}
#: Fields whose texts have limits of length; the others hold names and URLs.
WORDS = ("lyrics", "prompt", "negative_prompt")
_FLAGS = ("lyrics_optimizer", "is_instrumental")
_NAMES = ("refer_voice", "refer_instrumental", "reference_audio_url", "cover_feature_id")
_TAG = re.compile(r"\{[{%#]")
_NEWLINE = re.compile(r"\r\n?")
_ORDINARY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,99}")
_ORDINARY_RIGHTS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,:/-]{0,199}")


def check_plain_request(request: Mapping[str, Any]) -> None:
    """Check the request of one song, as the DAG has it, where it is known already what will be sent.

    :param request: ``model``, the request's fields, ``extra_body``, ``name`` and ``rights``, by name.
    :raises InvalidRequestError: with every problem; nothing was sent.
    """
    if is_plain(request.get("name")):
        file_name(request.get("name"))
    if is_plain(request.get("rights")):
        rights_line(request.get("rights"))
    request = {name: value for name, value in request.items() if name not in UNSENT_KEYS}
    if not is_plain(request) or is_ordinary(request):
        return
    from airflow_provider_music.api.request import prepare

    if _is_known(request):
        rendered = _rendered(request)
        fields = {name: rendered.get(name) for name in REQUEST_FIELDS}
        prepare(rendered.get("model"), fields, rendered.get("extra_body"))


def seed_problem(takes: int) -> str:
    """Say why several takes of a request with a seed are refused."""
    return f"seed: given, with takes={takes}: each would be the same song, and be paid; leave one of the two out."


def check_plain_batch(requests: Any) -> None:
    """Do the same with the requests of a batch.

    :raises InvalidRequestError: with the problems of all of them.
    """
    if not is_plain(requests):
        return
    listed = requests if isinstance(requests, list | tuple) else [None]
    if listed and all(isinstance(one, dict) and is_ordinary(one) for one in listed):
        return
    from airflow_provider_music.api.request import prepare_all

    if all(_is_known(one) for one in listed):
        prepare_all(_rendered(requests))


def is_plain(value: Any) -> bool:
    """Whether a value is what will be sent: no template, no XCom and no object that is rendered when the task runs."""
    if isinstance(value, str):
        return _TAG.search(value) is None
    if isinstance(value, Mapping):
        return all(is_plain(name) and is_plain(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float)


def is_ordinary(request: Mapping[str, Any]) -> bool:
    """Whether every model that takes these fields takes their values."""
    given = {name: value for name, value in request.items() if value is not None}
    words = [given.pop(name) for name in WORDS if name in given]
    named, rights = given.pop("name", "song"), given.pop("rights", "own")
    model, extra, setting = given.pop("model", None), given.pop("extra_body", {}), given.pop("audio_setting", {})
    return (
        isinstance(model, str)
        and bool(model.strip())
        and bool(words or given)
        and isinstance(named, str)
        and _ORDINARY_NAME.fullmatch(named) is not None
        and isinstance(rights, str)
        and _ORDINARY_RIGHTS.fullmatch(rights) is not None
        and all(isinstance(text, str) and SHORTEST <= len(text) <= LONGEST for text in words)
        and isinstance(extra, Mapping)
        and "model" not in extra
        and "stream" not in extra
        and isinstance(setting, Mapping)
        and (not setting or "format" in setting)
        and all(value in ORDINARY_SETTING.get(name, ()) for name, value in setting.items())
        and all(_is_ordinary_field(name, value) for name, value in given.items())
    )


def _is_ordinary_field(name: str, value: Any) -> bool:
    if name in _FLAGS:
        return isinstance(value, bool)
    return name in _NAMES and isinstance(value, str) and bool(value.strip())


def _is_known(request: Any) -> bool:
    """Whether the catalogue can say what is wrong; a model that it does not know is sent as it stands."""
    from airflow_provider_music.api.models import find

    model = request.get("model") if isinstance(request, dict) else None
    return not isinstance(model, str) or not model.strip() or find(model) is not None


def _rendered(value: Any) -> Any:
    """Return a value as Jinja returns what holds no template: newlines made alike, and the last one gone."""
    if isinstance(value, str):
        return _NEWLINE.sub("\n", value).removesuffix("\n")
    if isinstance(value, dict):
        return {name: _rendered(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rendered(item) for item in value]
    return value


def is_mapped(task: Any) -> bool:
    """Whether an operator is made of one that is mapped: the DAG is not parsed then, but run."""
    return bool(getattr(task, "_BaseOperator__from_mapped", False))
