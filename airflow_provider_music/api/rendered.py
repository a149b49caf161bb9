# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a template came out as nothing: a song without its words must not be paid.

One rule for every templated field, and for each field of a batch's requests: what the DAG's author wrote is taken as it
is, None included, which leaves the field out. What a template or an XCom gives in its place has to be something.
A None inside a list or a dict that an upstream task made was written by its code, and leaves the field out too.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.templated import parse_templated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TAG = re.compile(r"\{[{%]")
_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
#: Tags that change the text around them, so that the text between two expressions is not to be found again.
_CONTROL = re.compile(r"\{[%#]|\{\{[-+]|[-+]\}\}")
#: None, JSON's null, an empty list, a list of nothing but None, and what pandas shows for a missing value.
_NOTHING = re.compile(
    r"\s*(?:None|null|undefined|nan|NaN|NaT|<NA>|[\[(]\s*(?:(?:None|null|nan|NaN)\s*,?\s*)*[\])])?\s*"
)
_DEPTH = 8
_FIX = (
    "It is what a task that returned nothing gives: look at what came from upstream. To leave the field out, "
    "write None in the DAG, or nothing."
)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Stands for a value that Airflow puts in: the result of a task, or a parameter of the DAG."""


def sources_of(value: Any) -> Any:
    """Return where the templates of a value are that a DAG's author wrote: None where there are none.

    A template is its text, a value that Airflow puts in an :class:`Upstream`, and a list or dict with some of these a
    dict of them by place.
    """
    if isinstance(value, str):
        return value if _TAG.search(value) else None
    if _is_put_in(value):
        return Upstream()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    found = {place: source for place, item in items if (source := sources_of(item)) is not None}
    return found or None


def nothing_rendered(name: str, source: Any, value: Any) -> list[str]:
    """Return the problems of a rendered value.

    :param name: the field.
    :param source: of its value as the DAG has it, see :func:`sources_of`.
    :param value: the value as it is rendered.
    """
    if source is None:
        return []
    if isinstance(source, dict):
        return [
            problem
            for place, inner in source.items()
            for problem in nothing_rendered(_inside(name, place), inner, _item(value, place))
        ]
    shown = f"its template {source!r:.80}" if isinstance(source, str) else "the XCom or parameter it is given"
    if is_nothing(value):
        return [f"{name}: {shown} came out as {value!r:.60}. {_FIX}"]
    if isinstance(source, str) and isinstance(value, str) and _holds_none(source, value):
        return [f"{name}: a part of {shown} came out as 'None': {value!r:.80}. {_FIX}"]
    return [f"{place}: the text {text!r}. {_FIX}" for place, text in _nothing_texts(name, value, 0)]


def nothing_mapped(name: str, mapped: Any, value: Any) -> list[str]:
    """Return the problems of a value that each mapped task has another one of (``expand``, ``expand_kwargs``).

    :param name: the field.
    :param mapped: what is mapped, as the DAG has it.
    :param value: this task's.
    """
    if isinstance(mapped, dict):
        if name not in mapped:
            return []
        given = mapped[name]
        if isinstance(given, list | tuple) and any(item is value or item == value for item in given):
            return []
        return nothing_rendered(name, Upstream(), value)
    if isinstance(mapped, list | tuple) and any(isinstance(one, dict) and one.get(name) == value for one in mapped):
        return []
    # Of expand_kwargs: one None in a dict that upstream code made is that code's own.
    if isinstance(value, str) and value.strip() and is_nothing(value):
        return [f"{name}: the text {value!r}. {_FIX}"]
    return []


def is_nothing(value: Any) -> bool:
    """Whether a value holds nothing: None, an empty text, pandas' missing value or a list of these, also as text."""
    if value is None or type(value).__name__.endswith("Undefined"):
        return True
    if isinstance(value, float) and math.isnan(value):
        return True
    if isinstance(value, str):
        return _NOTHING.fullmatch(value) is not None
    return isinstance(value, list | tuple) and all(is_nothing(item) for item in value)


def _is_put_in(value: Any) -> bool:
    """Whether Airflow resolves this when the task runs; a path has ``resolve`` too."""
    return hasattr(value, "iter_references") and hasattr(value, "resolve")


def _item(value: Any, place: Any) -> Any:
    # What is no longer there, under a name that is a template itself, is not nothing.
    missing = "?"
    if isinstance(value, dict):
        return value.get(place, missing)
    return (
        value[place] if isinstance(value, list | tuple) and isinstance(place, int) and place < len(value) else missing
    )


def _inside(name: str, place: Any) -> str:
    return f"{name}[{place}]" if isinstance(place, int) else f"{name}.{place!s:.60}"


def _holds_none(source: str, value: str) -> bool:
    """Whether an expression among other text came out as None: "a song about {{ x }}" as "a song about None"."""
    if _CONTROL.search(source) or "None" not in value:
        return False
    first, *pieces = _EXPRESSION.split(source.removesuffix("\n"))
    if not value.startswith(first):
        return False
    at = len(first)
    for number, piece in enumerate(pieces, start=1):
        last = number == len(pieces)
        if not piece and not last:
            # Two expressions in a row: nobody can tell where one ends.
            return False
        end = len(value) - len(piece) if last else value.find(piece, at)
        if end < at:
            return False
        if value[at:end].strip() == "None":
            return True
        at = end + len(piece)
    return False


def _nothing_texts(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    """Find the text "None" in a list or dict that was put in whole, or rendered as text."""
    value = parse_templated(value) if depth == 0 else value
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    for place, item in items if depth < _DEPTH else ():
        if isinstance(item, str) and item.strip() == "None":
            yield _inside(name, place), item
        else:
            yield from _nothing_texts(_inside(name, place), item, depth + 1)


def sources_by_name(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sources of those fields that have templates."""
    found = {name: sources_of(value) for name, value in fields.items()}
    return {name: source for name, source in found.items() if source is not None}
