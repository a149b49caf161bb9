# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Reads and checks the requests of a batch, all of them before the first is sent."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.request import prepare
from airflow_provider_music.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_provider_music.api.request import PreparedRequest

_DEFAULT_MODEL = "music-01"
#: A message about a thousand requests with the same mistake has to be readable.
_MOST_TOLD = 20


def prepare_all(requests: Any) -> list[PreparedRequest]:
    """Check every request against its model's limits.

    :param requests: list of dicts, or the text of one, as a template renders it.
    :raises InvalidRequestError: with the problems of all requests, each with its place in the list.
    """
    prepared, problems = [], []
    for index, request in enumerate(listed(requests)):
        try:
            prepared.append(_prepare(request))
        except InvalidRequestError as exc:
            problems += [f"requests[{index}] {problem}" for problem in exc.problems]
    if problems:
        more = len(problems) - _MOST_TOLD
        told = [*problems[:_MOST_TOLD], f"and {more} more"] if more > 0 else problems
        raise InvalidRequestError(told, "The batch")
    return prepared


def listed(requests: Any) -> list[Any]:
    """Return the requests one by one.

    :raises InvalidRequestError: they are no list, or an empty one.
    """
    if isinstance(requests, str):
        for parse in (json.loads, ast.literal_eval):
            try:
                requests = parse(requests)
                break
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
    if not isinstance(requests, list | tuple) and not _is_lazy(requests):
        raise InvalidRequestError(f"requests: {requests!r:.60} is no list; give one dict a song.", "The batch")
    listed = list(requests)
    if not listed:
        raise InvalidRequestError("requests: the list is empty; give one dict a song.", "The batch")
    return listed


def _is_lazy(requests: Any) -> bool:
    """Whether this is the sequence that Airflow gives for the results of mapped tasks."""
    return hasattr(requests, "__iter__") and hasattr(requests, "__getitem__") and not isinstance(requests, dict | bytes)


def _prepare(request: Any) -> PreparedRequest:
    if not isinstance(request, dict):
        raise InvalidRequestError(f"is {request!r:.60}; give a dict of the fields of one song.")
    fields = {name: value for name, value in request.items() if name not in ("model", "extra_body")}
    return prepare(request.get("model", _DEFAULT_MODEL), fields, request.get("extra_body"))
