# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A request for one song: checked, and ready to send."""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from airflow_provider_music.api.models import MusicRequest, find, known_names
from airflow_provider_music.api.schema import FORMATS
from airflow_provider_music.api.validation import shown, spell
from airflow_provider_music.exceptions import InvalidRequestError

# Fields that usually come from another task, where an empty XCom renders as the text "None".
_FROM_UPSTREAM = ("refer_voice", "refer_instrumental", "reference_audio_url", "cover_feature_id")
# For a model that nobody has timed: near the middle of those that are known.
_USUAL_SECONDS = 60.0


@dataclass(frozen=True)
class PreparedRequest:
    """One request, as it will be sent.

    :param model: the model's name, as it was given.
    :param lane: "synchronous" if the POST answers with the song, "queued" if it answers with an id to poll.
    :param body: the exact JSON to send, with ``model``.
    :param audio_format: the format to expect, mp3, wav or pcm; None if it cannot be told.
    :param sample_rate_hz: the sample rate asked for, in Hz, if any.
    :param bitrate_bps: the bitrate asked for, in bit/s, if any.
    :param usual_seconds: how long such a song usually takes, in seconds.
    :param known: whether the catalogue knows the model, so that the fields were checked.
    :param notes: sentences for the task's log.
    """

    model: str
    lane: Literal["queued", "synchronous"]
    body: dict[str, Any]
    audio_format: str | None
    sample_rate_hz: int | None
    bitrate_bps: int | None
    usual_seconds: float
    known: bool
    notes: tuple[str, ...] = ()


def prepare(
    model: str, fields: Mapping[str, Any], extra_body: Mapping[str, Any] | str | None = None
) -> PreparedRequest:
    """Check a request against its model's limits, and shape it for sending.

    :param model: id or alias of a model; one that the catalogue does not know is sent as it stands.
    :param fields: the request's fields by name; None means "not given"; ``audio_setting`` may be JSON text.
    :param extra_body: merged last and not checked; JSON text is taken too.
    :raises InvalidRequestError: with every problem that was found; nothing may be sent then.
    """
    problems: list[str] = []
    notes: list[str] = []
    if not isinstance(model, str) or model.strip() in {"", "None"}:
        problems.append(f"model: {shown(model)} names no model; give one of {', '.join(known_names())}.")
        raise InvalidRequestError(problems)
    extra = _extra(extra_body, problems)
    given = _given(fields, problems)
    found = find(model)
    if found is None:
        body = {"model": model, **given}
        notes.append(_unknown_note(model))
    else:
        # What is null in extra_body is not given; what has a problem of its own is not missing as well.
        elsewhere = {name for name in extra if extra[name] is not None} | _spoiled(fields, given)
        body = _checked(found, model, given, elsewhere=elsewhere, problems=problems, notes=notes)
    notes += [
        f"{name}: given in extra_body too; extra_body's value is sent."
        for name in extra
        if name in body and body[name] != extra[name]
    ]
    body = {**body, **extra}
    problems += _not_json(extra if found else body)
    if problems:
        raise InvalidRequestError(problems, f"The request to {shown(model, quote=False)}")
    return _described(model, found, body, notes)


def fingerprint(prepared: PreparedRequest, conn_id: str) -> str:
    """Return a sha256 (hex) that is the same for the same model, body and connection, in any process."""
    facts = {"model": prepared.model, "body": prepared.body, "conn_id": conn_id}
    return hashlib.sha256(_canonical(facts).encode()).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _extra(extra_body: Any, problems: list[str]) -> dict[str, Any]:
    extra = _parsed(extra_body)
    if extra is None:
        return {}
    if not isinstance(extra, Mapping):
        problems.append(f"extra_body: {shown(extra_body)} is no JSON object; give a dict.")
        return {}
    return dict(extra)


def _given(fields: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return what was given, without what an empty XCom left behind."""
    given = {name: value for name, value in fields.items() if value is not None}
    if "model" in given:
        del given["model"]
        problems.append("model: it is an argument of its own; leave it out of the fields.")
    for name in _FROM_UPSTREAM:
        if given.get(name) == "None":
            del given[name]
            problems.append(
                f"{name}: the text 'None', which is what the empty XCom of an upstream task renders as; "
                "look at what that task returned, or leave the field out."
            )
    if "audio_setting" in given:
        given["audio_setting"] = _parsed(given["audio_setting"])
    return given


def _spoiled(fields: Mapping[str, Any], given: Mapping[str, Any]) -> set[str]:
    """Return the fields that an empty XCom spoiled."""
    return {name for name in _FROM_UPSTREAM if fields.get(name) is not None and name not in given}


def _parsed(value: Any) -> Any:
    """Return the object in a string: JSON, or Python's notation, as which a template renders a dict."""
    if not isinstance(value, str):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            parsed = parse(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(parsed, dict):
            return parsed
    return value


def _checked(
    found: type[MusicRequest],
    model: str,
    given: dict[str, Any],
    *,
    elsewhere: set[str],
    problems: list[str],
    notes: list[str],
) -> dict[str, Any]:
    """Return the wire body; add what is wrong with it to ``problems``."""
    called: dict[str, str] = {}
    if found.prompt_is_lyrics and "lyrics" in given:
        lyrics = given.pop("lyrics")
        if "prompt" in given or "prompt" in elsewhere:
            problems.append(
                f"lyrics and prompt: both given, but {model} sings its prompt and takes no other lyrics; "
                "leave one of them out."
            )
        else:
            given["prompt"] = lyrics
            called["prompt"] = "lyrics"
            notes.append(f"{model} sings its prompt: lyrics are sent as prompt.")
    setting = given.get("audio_setting")
    if isinstance(setting, Mapping) and setting.get("audio_sample_rate") is not None:
        notes.append("audio_setting: audio_sample_rate is sent as sample_rate, the API's newest name for it.")
    try:
        return found.model_validate({"model": model, **given}, context={"given": elsewhere}).wire()
    except ValidationError as error:
        problems += [spell(found, model, problem, called) for problem in error.errors(include_url=False)]
        return {"model": model, **given}


def _not_json(body: Mapping[str, Any]) -> list[str]:
    return [
        f"{shown(name, quote=False)}: {shown(value)} cannot be written as JSON; "
        "give text, finite numbers, true, false, lists and objects only, under names that are text."
        for name, value in body.items()
        if not _is_json(name, value)
    ]


def _is_json(name: Any, value: Any) -> bool:
    try:
        # As the fingerprint writes it, and as it is sent: a lone surrogate has no UTF-8.
        _canonical(value)
        json.dumps({name: value}, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return isinstance(name, str)


def _unknown_note(model: str) -> str:
    close = difflib.get_close_matches(model, known_names(), n=1)
    meant = f" Was {close[0]} meant?" if close else ""
    name = shown(model, quote=False)
    return f"{name} is not in this version's catalogue: its request is sent unchecked, as it stands.{meant}"


def _described(model: str, found: type[MusicRequest] | None, body: dict[str, Any], notes: list[str]) -> PreparedRequest:
    setting = body.get("audio_setting")
    setting = setting if isinstance(setting, Mapping) else {}
    asked = setting.get("format")
    default = found.default_format if found else None
    return PreparedRequest(
        model=model,
        lane=found.lane if found else "queued",
        body=body,
        audio_format=(asked if asked in FORMATS else None) if asked is not None else default,
        sample_rate_hz=_whole(setting.get("sample_rate", setting.get("audio_sample_rate"))),
        bitrate_bps=_whole(setting.get("bitrate")),
        usual_seconds=found.usual_seconds if found else _USUAL_SECONDS,
        known=found is not None,
        notes=tuple(notes),
    )


def _whole(value: Any) -> int | None:
    """Return the number in an unchecked value, as far as it is one."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None
