# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Single values of a server's response: read, or None where they are not what they should be; text safe to log."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_ID = 512
_MAX_QUOTE = 300
_MAX_READ = 4000


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


def seconds_of(value: timedelta | float | str) -> float:
    """Return a duration in seconds.

    :param value: seconds, a ``timedelta``, or text: seconds, or an ISO 8601 duration such as ``PT1H30M``.
    :raises ValueError: it is none of these.
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    number = number_or_none(value)
    if number is not None:
        return number
    import pendulum

    try:
        parsed = pendulum.parse(value) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if not isinstance(parsed, pendulum.Duration):
        raise ValueError(  # noqa: TRY004 - text of another form is a value
            f"{value!r:.60} is no duration; give seconds, a timedelta, or ISO 8601 text such as 'PT1H'"
        )
    return parsed.total_seconds()
