# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A song's request as one value: a dict, a typed request, or what a function returned.

The model's own limits are checked later, with the catalogue. Here a name that is no field is refused, for a model that
the catalogue does not know as well: there it would be sent as it stands, and the song paid without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_music.api.fields import REQUEST_KEYS
from airflow_provider_music.api.naming import nearest
from airflow_provider_music.api.rendered import Upstream, nothing_rendered
from airflow_provider_music.exceptions import InvalidRequestError

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_DEPTH = 8
_MOST_LISTED = 20


def named_fields(request: Any, place: str) -> dict[str, Any]:
    """Return the fields of a request by name.

    :param place: where it stands, for the message.
    :raises InvalidRequestError: it is no dict, or has names that are no fields; nothing was sent.
    """
    if not isinstance(request, Mapping):
        raise InvalidRequestError(f"{place}: {request!r:.60}; give a dict of the fields of one song.")
    problems = [_unknown(name) for name in request if name not in REQUEST_KEYS]
    if problems:
        raise InvalidRequestError(_listed(problems), f"The request in {place}")
    return dict(request)


def returned_song(returned: Any, beside: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request that a function made.

    :param returned: what it returned: a dict of the fields, or the prompt.
    :param beside: the fields that the decorator's call has.
    :raises InvalidRequestError: it is no request; nothing was sent.
    """
    if isinstance(returned, str) and returned.strip():
        returned = {"prompt": returned}
    if not isinstance(returned, Mapping):
        raise InvalidRequestError(
            f"The function returned {returned!r:.60}; return a dict of the fields of one song, or its prompt as text."
        )
    fields = named_fields(returned, "what the function returned")
    given = {name: value for name, value in beside.items() if value is not None}
    problems = [
        f"{name}: given in the decorator's call, and returned by the function; give it once."
        for name, value in fields.items()
        if value is not None and name in given
    ]
    problems += _not_words("", fields)
    if problems:
        raise InvalidRequestError(_listed(problems), "What the function returned")
    return {**given, **{name: value for name, value in fields.items() if value is not None}}


def returned_songs(returned: Any) -> list[Any]:
    """Return the requests that a function made for a batch.

    :raises InvalidRequestError: it is no list of requests; nothing was sent.
    """
    if not isinstance(returned, list | tuple):
        raise InvalidRequestError(
            f"The function returned {returned!r:.60}; return a list with one dict a song.", "The batch"
        )
    problems: list[str] = []
    for index, request in enumerate(returned):
        if isinstance(request, Mapping):
            found = [_unknown(name) for name in request if name not in REQUEST_KEYS]
            problems += [f"requests[{index}] {problem}" for problem in [*found, *_not_words("", request)]]
    if problems:
        raise InvalidRequestError(_listed(problems), "What the function returned")
    return [dict(request) if isinstance(request, Mapping) else request for request in returned]


def _not_words(place: str, value: Any, depth: int = 0) -> list[str]:
    """Return the problems of texts that came of nothing, or hold a template, which nobody renders here.

    A template in words that another task wrote could read connections and variables.
    """
    if depth == 0:
        problems = [one for name, item in value.items() for one in _not_words(str(name)[:60], item, 1)]
        nothing = {name: item for name, item in value.items() if isinstance(item, str) and item.strip()}
        return problems + [one for name, item in nothing.items() for one in nothing_rendered(name, Upstream(), item)]
    if isinstance(value, str):
        found = _TAG.search(value)
        if found is None:
            return []
        what = f"{place}: {found[0]!r:.60} is a template, and what a function returns is not rendered; "
        return [f"{what}make the text in the function, whose arguments can be ds, params and the rest of the context."]
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    return [
        one for name, item in items if depth < _DEPTH for one in _not_words(f"{place}.{name!s:.60}", item, depth + 1)
    ]


def _unknown(name: Any) -> str:
    near = nearest(name, REQUEST_KEYS)
    meant = f"did you mean {near}?" if near else "a field that is newer than this package goes into extra_body."
    return f"{name!s:.60}: no such field; {meant}"


def _listed(problems: list[str]) -> list[str]:
    more = len(problems) - _MOST_LISTED
    return [*problems[:_MOST_LISTED], f"and {more} more"] if more > 0 else problems
