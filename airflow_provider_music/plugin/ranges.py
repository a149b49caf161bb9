# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Which bytes of a file a request asks for, by RFC 9110: one range, or the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")


class UnsatisfiableRangeError(ValueError):
    """A range that begins behind the end of the file."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes of a file.

    :param is_part: whether the request asked for them, so that the response says which they are.
    """

    start: int
    length: int
    total: int
    is_part: bool

    @property
    def content_range(self) -> str:
        """As the header has it."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.total}"


def requested_bytes(headers: Mapping[str, str], size: int, etag: str | None) -> Bytes:
    """Return what a request asks for. Several ranges, or a form that nobody knows, ask for the whole.

    :param headers: of the request, whatever the case of their names.
    :raises UnsatisfiableRangeError: nothing of the file is asked for.
    """
    whole = Bytes(0, size, size, is_part=False)
    found = _RANGE.fullmatch(headers.get("range", "").strip())
    if found is None or not any(found.groups()):
        return whole
    if (condition := headers.get("if-range")) is not None and condition != etag:
        return whole
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        start = size - length
    else:
        start = int(first)
        end = min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return whole
        length = end - start + 1
    if length <= 0 or start >= size:
        raise UnsatisfiableRangeError
    return Bytes(start, length, size, is_part=True)
