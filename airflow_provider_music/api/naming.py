# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Which known name a wrong one was meant to be."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_SLIPS = 2
_LONGEST = 100


def nearest(name: object, names: Iterable[str]) -> str | None:
    """Return the known name that is nearest to one, or None where none is near."""
    plain = re.sub(r"[\s-]+", "_", str(name).strip().lower())[:_LONGEST]
    return next(iter(difflib.get_close_matches(plain, list(names), n=1)), None)


def slip_of(model: str, models: Iterable[str]) -> str | None:
    """Return the known model whose name was mistyped, or None where the name may be a newer model's.

    At most two characters differ, or only case and white space. Another number is another version, no slip: the API
    may have learned "minimax/music-2.7" since.
    """
    plain = model.strip().lower()[:_LONGEST]
    for known in models:
        if known != model and _version(known) == _version(plain) and _edits(plain, known) <= _MOST_SLIPS:
            return known
    return None


def _version(name: str) -> str:
    return "".join(re.findall(r"\d", name)).lstrip("0")


def _edits(one: str, other: str) -> int:
    """Return how many characters have to be changed, put in or left out."""
    if abs(len(one) - len(other)) > _MOST_SLIPS:
        return _MOST_SLIPS + 1
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, right in enumerate(other, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
    return row[-1]
