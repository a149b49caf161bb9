# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Arguments that are wrong in the DAG file already, said when it is parsed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

from airflow_provider_music.generation.clock import seconds_of

if TYPE_CHECKING:
    from datetime import timedelta

OnUnknownPrice = Literal["refuse", "allow"]


def check_waiting(*, on_unknown: str, timeout: timedelta | float, poll_interval: timedelta | float | None) -> None:
    """Check what operators say about waiting.

    :raises ValueError: names the argument, its value and the fix.
    """
    if on_unknown not in ("fail", "resubmit"):
        raise ValueError(f"on_unknown: {on_unknown!r}; give 'fail' or 'resubmit'.")
    if seconds_of(timeout) <= 0:
        raise ValueError(f"timeout: {timeout!r}; give a time above 0.")
    if poll_interval is not None and seconds_of(poll_interval) <= 0:
        raise ValueError(f"poll_interval: {poll_interval!r}; give a time above 0, or None for the model's pace.")


def check_spending(max_usd: object, on_unknown_price: str) -> None:
    """Check what operators say about money; a template of ``max_usd`` is read when the task runs.

    :raises ValueError: names the argument, its value and the fix.
    """
    if isinstance(max_usd, int | float) and not (0 <= max_usd < math.inf and not isinstance(max_usd, bool)):
        raise ValueError(f"max_usd: {max_usd!r}; give US dollars of 0 or more, or None for no limit.")
    if on_unknown_price not in get_args(OnUnknownPrice):
        raise ValueError(f"on_unknown_price: {on_unknown_price!r}; give 'refuse' or 'allow'.")
