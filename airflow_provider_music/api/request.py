# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Requests for songs, one or a batch: checked against the model's limits, and ready to send."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from pydantic import ValidationError

from airflow_provider_music.api.fields import REQUEST_KEYS, UNSENT_KEYS
from airflow_provider_music.api.models import (
    OBJECT_FIELDS,
    REFERENCES,
    MusicRequest,
    find,
    known_names,
    nearest_model,
    usual_seconds,
)
from airflow_provider_music.api.naming import nearest, slip_of
from airflow_provider_music.api.rights import rights_line
from airflow_provider_music.api.schema import FORMATS
from airflow_provider_music.api.song_name import file_name
from airflow_provider_music.api.templated import parse_templated
from airflow_provider_music.api.validation import describe_problem, shown
from airflow_provider_music.exceptions import InvalidRequestError

#: What nobody may put into a body, and why not: checks, price, lane and record go by the model, and the song of
#: a streamed response could not be read.
_RESERVED = {
    "model": "it is an argument of its own; leave it out of {place}.",
    "stream": "a streamed response is not supported, and its song would be lost; leave it out of {place}.",
}
_SCHEME_BEFORE_SCHEME = re.compile(r"^https?://(?=https?://)")
#: Problems of a batch that its message lists; a thousand requests with the same mistake have to be readable.
_MOST_LISTED = 20


@dataclass(frozen=True)
class PreparedRequest:
    """One request, as it will be sent.

    :param model: the model's name, as the user gave it.
    :param lane: "synchronous" if the POST returns the song, "queued" if it returns an id to poll.
    :param body: the exact JSON to send, with ``model``.
    :param audio_format: the format that the request names, mp3, wav or pcm; None where it names none of them.
    :param sample_rate_hz: the sample rate that the request names, in Hz, if any.
    :param usual_seconds: how long such a song usually takes, in seconds.
    :param notes: sentences for the task's log.
    :param name: of the song's files, where the task names them; it is not sent.
    :param rights: under which licence or consent the song is made, where the task says it; it is not sent.
    """

    model: str
    lane: Literal["queued", "synchronous"]
    body: dict[str, Any]
    audio_format: str | None
    sample_rate_hz: int | None
    usual_seconds: float
    notes: tuple[str, ...] = ()
    name: str | None = None
    rights: str | None = None


def prepare_all(requests: Any, rights: Any = None) -> list[PreparedRequest]:
    """Check every request of a batch, all of them before the first is sent.

    :param requests: list of dicts, or the text of one, as a template renders it.
    :param rights: of every request that has none of its own.
    :raises InvalidRequestError: with the problems of all requests, each with its place in the list.
    """
    prepared, problems = [], []
    for index, request in enumerate(listed(requests)):
        try:
            prepared.append(prepare_one(request, rights))
        except InvalidRequestError as exc:
            problems += [f"requests[{index}] {problem}" for problem in exc.problems]
    if problems:
        more = len(problems) - _MOST_LISTED
        raise InvalidRequestError([*problems[:_MOST_LISTED], f"and {more} more"] if more > 0 else problems, "The batch")
    return prepared


def listed(requests: Any) -> list[Any]:
    """Return the requests of a batch one by one, unchecked.

    :raises InvalidRequestError: they are no list, or an empty one.
    """
    requests = parse_templated(requests)
    if not isinstance(requests, list | tuple) and not _is_lazy(requests):
        raise InvalidRequestError(f"requests: {requests!r:.60} is no list; give one dict a song.", "The batch")
    found = list(requests)
    if not found:
        raise InvalidRequestError("requests: the list is empty; give one dict a song.", "The batch")
    return found


def _is_lazy(requests: Any) -> bool:
    """Whether this is the sequence that Airflow makes of the results of mapped tasks."""
    if isinstance(requests, str | dict | bytes):
        return False
    return hasattr(requests, "__iter__") and hasattr(requests, "__getitem__")


def prepare_one(request: Any, rights: Any = None) -> PreparedRequest:
    """Check one request of a batch.

    :param request: a dict of ``model``, the request's fields, ``extra_body``, its ``rights`` and the ``name`` of its
        files.
    :param rights: of a request that has none of its own.
    :raises InvalidRequestError: with every problem that was found; nothing may be sent then.
    """
    if not isinstance(request, dict):
        raise InvalidRequestError(f"is {request!r:.60}; give a dict of the fields of one song.")
    unknown = [name for name in request if name not in REQUEST_KEYS]
    model = None if request.get("model") is not None else nearest_key(unknown, "model")
    if model is not None:
        raise InvalidRequestError(f"{shown(model, quote=False)}: no such field; did you mean model?")
    fields = {name: value for name, value in request.items() if name not in ("model", "extra_body", *UNSENT_KEYS)}
    own = request.get("rights")
    return prepare(
        request.get("model"),
        fields,
        request.get("extra_body"),
        name=request.get("name"),
        rights=own if own is not None else rights,
    )


def nearest_key(unknown: list[Any], meant: str) -> Any:
    """Return the one of some wrong names that a known one was meant by; None where there is none."""
    return next((name for name in unknown if nearest(name, REQUEST_KEYS) == meant), None)


def prepare(
    model: str | None,
    fields: Mapping[str, Any],
    extra_body: Mapping[str, Any] | str | None = None,
    *,
    name: Any = None,
    rights: Any = None,
) -> PreparedRequest:
    """Check a request against its model's limits, and shape it for sending.

    :param model: id or alias of a model; one that the catalogue does not know is sent unchecked.
    :param fields: the request's fields by name; None means "not given"; a JSON object may be text.
    :param extra_body: merged last and not checked, but for ``model`` and ``stream``, which are refused; JSON text is
        taken too.
    :param name: of the song's files.
    :param rights: under which licence or consent it is made.
    :raises InvalidRequestError: with every problem that was found; nothing may be sent then.
    """
    problems: list[str] = []
    notes: list[str] = []
    if not isinstance(model, str) or model.strip() in {"", "None"}:
        what = "not given" if model is None else f"{shown(model)} names no model"
        raise InvalidRequestError(f"model: {what}; give one of {', '.join(known_names())}.")
    found = find(model)
    slip = slip_of(model, known_names()) if found is None else None
    if slip is not None:
        # Alone: what other fields miss would be told of a model that nobody meant.
        raise InvalidRequestError(f"model: {shown(model)} is no known model; did you mean {slip}?")
    extra = _extra(extra_body, problems)
    given = _given(fields, problems)
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
    named, licensed = _text_of(file_name, name, problems), _text_of(rights_line, rights, problems)
    if problems:
        raise InvalidRequestError(problems, f"The request to {shown(model, quote=False)}")
    setting = body.get("audio_setting")
    setting = setting if isinstance(setting, Mapping) else {}
    return PreparedRequest(
        model=model,
        lane=found.lane if found else "queued",
        body=body,
        audio_format=setting.get("format") if setting.get("format") in FORMATS else None,
        sample_rate_hz=_whole(setting.get("sample_rate", setting.get("audio_sample_rate"))),
        usual_seconds=usual_seconds(model),
        notes=tuple(notes),
        name=named,
        rights=licensed,
    )


def _text_of(read: Callable[[Any], str | None], value: Any, problems: list[str]) -> str | None:
    try:
        return read(value)
    except InvalidRequestError as exc:
        problems += exc.problems
        return None


def fingerprint(prepared: PreparedRequest, conn_id: str, deployment: str = "", base_url: str = "") -> str:
    """Return a sha256 (hex) that is the same for the same model, body, connection, Airflow and API, in any process."""
    facts = {"model": prepared.model, "body": prepared.body, "conn_id": conn_id}
    if deployment or base_url:
        facts |= {"deployment": deployment, "base_url": base_url}
    return hashlib.sha256(_canonical(facts).encode()).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _extra(extra_body: Any, problems: list[str]) -> dict[str, Any]:
    extra = parse_templated(extra_body, dict)
    if extra is None:
        return {}
    if not isinstance(extra, Mapping):
        problems.append(f"extra_body: {shown(extra_body)} is no JSON object; give a dict.")
        return {}
    return _without_reserved(extra, "extra_body", problems)


def _without_reserved(fields: Mapping[str, Any], place: str, problems: list[str]) -> dict[str, Any]:
    problems += [f"{name}: {why.format(place=place)}" for name, why in _RESERVED.items() if name in fields]
    return {name: value for name, value in fields.items() if name not in _RESERVED}


def _given(fields: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return the fields that were given, without those that an empty XCom spoiled."""
    given = {name: value for name, value in fields.items() if value is not None}
    given = _without_reserved(given, "the fields", problems)
    for name, reference in REFERENCES.items():
        if reference.kind == "url" and _names_a_place(given.get(name)):
            # Airflow 2's path of a web URL has its scheme twice.
            given[name] = _SCHEME_BEFORE_SCHEME.sub("", str(given[name]))
        if given.get(name) == "None":
            del given[name]
            problems.append(
                f"{name}: the text 'None', which is what the empty XCom of an upstream task renders as; "
                "look at what that task returned, or leave the field out."
            )
    for name in OBJECT_FIELDS:
        if name in given:
            given[name] = parse_templated(given[name], dict)
    return given


def _names_a_place(value: Any) -> bool:
    """Whether this is an object for a URL or a path: its text is meant."""
    return isinstance(value, PurePath) or type(value).__name__.lower().endswith(("url", "path"))


def _spoiled(fields: Mapping[str, Any], given: Mapping[str, Any]) -> set[str]:
    """Return the fields that an empty XCom spoiled."""
    return {name for name in REFERENCES if fields.get(name) is not None and name not in given}


def _checked(
    found: type[MusicRequest],
    model: str,
    given: dict[str, Any],
    *,
    elsewhere: set[str],
    problems: list[str],
    notes: list[str],
) -> dict[str, Any]:
    """Return the body to send; add what is wrong with it to ``problems``."""
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
        problems += [describe_problem(found, model, problem, called) for problem in error.errors(include_url=False)]
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
    close = nearest_model(model)
    meant = f" Was {close} meant?" if close else ""
    name = shown(model, quote=False)
    return f"{name} is not in this version's catalogue: its request is sent unchecked, as it stands.{meant}"


def _whole(value: Any) -> int | None:
    """Return the number in an unchecked value, as far as it is one."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None
