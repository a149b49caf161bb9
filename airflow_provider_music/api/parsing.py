# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Single values of a server's response: read, or None where they are not what they should be; text safe to log."""

from __future__ import annotations

import json
import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 64
_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH}"
_MAX_ID = 512
_MAX_QUOTE = 300
_MAX_READ = 4000
_LONGEST_DURATION = 60
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(
    r"(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)(?![a-z])"
)
_DURATION = re.compile(rf"(?:{_PART.pattern}\s*(?:,|and)?\s*)+")
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d(?:\.\d+)?)")


def bounded_json(content: bytes) -> Any:
    """Return what JSON holds; what is nested too deep would break whatever goes through it.

    :raises ValueError: it is none, or nested deeper than ``MAX_DEPTH``.
    """
    try:
        body = json.loads(content)
    except RecursionError as exc:
        raise ValueError(_TOO_DEEP) from exc
    if _is_deep(content, body):
        raise ValueError(_TOO_DEEP)
    return body


def _is_deep(content: bytes, body: Any) -> bool:
    if content.count(b"[") + content.count(b"{") <= MAX_DEPTH:
        return False
    level = [body]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level if isinstance(parent, dict | list) for child in _children(parent)]
        if not level:
            return False
    return True


def _children(parent: Any) -> Any:
    return parent.values() if isinstance(parent, dict) else parent


def usable_id(value: str) -> bool:
    """Whether an id can be stored, logged and polled."""
    return 0 < len(value) <= _MAX_ID and value.isascii() and value.isprintable() and not value.isspace()


def id_or_none(value: Any) -> str | None:
    """Return an id, from a string or a whole number; one that cannot be stored is None, never a part of it."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and usable_id(text) else None


def number_or_none(value: Any) -> float | None:
    """Return a finite number from a number or its string, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def text_or_none(value: Any) -> str | None:
    """Return a short printable string, else None."""
    return value[:200] if isinstance(value, str) and value.isprintable() and value else None


def describe_error(error: BaseException) -> str:
    """Return an error's class and message; a timeout of httpx has no message."""
    name, text = type(error).__name__, str(error)
    return f"{name}: {text}" if text else name


def one_line(text: str, scrub: Callable[[str], str] | None = None) -> str:
    """Make a server's text safe to log: one line of bounded length.

    :param scrub: takes out what nobody may read, before the line is cut.
    """
    # Megabytes of text would take the event loop's time for what is cut off anyway.
    text = text[:_MAX_READ]
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if scrub is not None:
        clean = scrub(clean)
    return clean if len(clean) <= _MAX_QUOTE else clean[:_MAX_QUOTE] + "…"


def seconds_of(value: timedelta | float | str, name: str = "") -> float:
    """Return a duration in seconds.

    :param value: seconds, a ``timedelta``, or text: seconds ("90"), a duration in words ("1h30m", "2 minutes"), as a
        clock shows it ("1:30:00"), or by ISO 8601 ("PT1H30M").
    :param name: the argument that it was given for.
    :raises ValueError: it is none of these.
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    number = number_or_none(value)
    if number is not None:
        return number
    seconds = (_in_words(value) or _by_iso(value)) if isinstance(value, str) else None
    if seconds is None:
        raise ValueError(
            f"{f'{name}: ' if name else ''}{value!r:.60} is no duration; give seconds, a timedelta, or text such as "
            "'1h30m', or 'PT1H30M' by ISO 8601"
        )
    return seconds


def _in_words(text: str) -> float | None:
    text = text.strip().lower()
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        hours, minutes, seconds = (float(part) for part in clock.groups())
        return 3600 * hours + 60 * minutes + seconds
    if len(text) > _LONGEST_DURATION or not _DURATION.fullmatch(text):
        return None
    return sum(
        float(count) * _UNITS["ms" if unit.startswith(("ms", "milli")) else unit[0]]
        for count, unit in _PART.findall(text)
    )


def _by_iso(text: str) -> float | None:
    import pendulum

    try:
        parsed = pendulum.parse(text)
    except ValueError:
        return None
    return parsed.total_seconds() if isinstance(parsed, pendulum.Duration) else None
