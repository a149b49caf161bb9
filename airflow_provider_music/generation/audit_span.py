# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The span of time that an audit is of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_music.exceptions import InvalidRequestError

_AGO = re.compile(r"([1-9][0-9]{0,5})\s*([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment up to, but not with, another; UTC, by the clock of the API's usage log."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, since: Any, until: Any = None) -> Span:
        """Read it from what a person or a template gave.

        :param since: a date, a time (ISO 8601, UTC where it names no zone), or how long before ``until``: ``7d``,
            ``12h``, ``4w``.
        :param until: the same, before now; nothing is now.
        :raises InvalidRequestError: it is no span.
        """
        now = datetime.now(UTC)
        end = _moment("until", until, now) if until not in (None, "", "None") else now
        end = min(end, now)
        start = _moment("since", since, end)
        if start >= end:
            raise InvalidRequestError(
                f"since: {start.isoformat()} is not before until, {end.isoformat()}; give an earlier one.", "The audit"
            )
        return cls(start, end)

    def has(self, moment: datetime | None) -> bool:
        """Whether a moment is within; one that is not known is: what nobody can date is not left out."""
        return moment is None or self.since <= moment < self.until

    @property
    def name(self) -> str:
        """For a file's name."""
        return f"{self.since:%Y%m%dT%H%M%SZ}-{self.until:%Y%m%dT%H%M%SZ}"


def moment_of(text: Any) -> datetime | None:
    """Return the moment of an ISO 8601 text, None where it is none."""
    try:
        found = datetime.fromisoformat(str(text).strip())
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _moment(name: str, value: Any, end: datetime) -> datetime:
    ago = _AGO.fullmatch(str(value).strip())
    try:
        found = end - int(ago[1]) * _UNITS[ago[2]] if ago is not None else moment_of(value)
    except OverflowError:
        found = None
    if found is None:
        raise InvalidRequestError(
            f"{name}: {value!r:.60} is no time; give ISO 8601 such as 2026-11-01 or 2026-11-01T06:00Z, or how long "
            "before, such as 7d or 12h.",
            "The audit",
        )
    return found
