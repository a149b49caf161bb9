# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a command prints: one table or one JSON document on the standard output; everything else goes to the other."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

_NARROWEST = 100


class Output:
    """Where a command's result goes.

    :param stream: of the result.
    """

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        self.stream = stream
        self.as_json = as_json

    def show(self, document: Any, columns: Sequence[str], rows: Sequence[Sequence[object]], *after: str) -> None:
        """Print the result: the document as JSON, or its rows as a table with some lines after it."""
        if self.as_json:
            json.dump(document, self.stream, indent=2, ensure_ascii=False, default=_plain)
            self.stream.write("\n")
            return
        # Only here: scripts need no rich.
        from rich.console import Console
        from rich.table import Table

        is_terminal = self.stream.isatty()
        console = Console(file=self.stream, width=None if is_terminal else _width(rows), highlight=False)
        table = Table(*columns, box=None, pad_edge=False, show_edge=False)
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        if rows:
            with console.capture() as drawn:
                console.print(table)
            # A table pads its lines, which is of no use to whoever copies or searches them.
            self.stream.writelines(f"{line.rstrip()}\n" for line in drawn.get().splitlines())
        self.stream.writelines(f"{_printable(line)}\n" for line in after)

    def note(self, text: str) -> None:
        """Print a line beside the result."""
        sys.stderr.write(f"{_printable(text, keep_lines=True)}\n")


def usd(amount: Decimal | float | None) -> str:
    """Return an amount as people read it."""
    if amount is None:
        return "not known"
    text = f"{amount:.4f}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"${whole}.{part:0<2}"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return str(value)


def _cell(value: object) -> Any:
    from rich.text import Text

    words = "" if value is None else str(value)
    style = {"ok": "green", "FAIL": "bold red", "warning": "yellow"}.get(words, "")
    return Text(_printable(words, keep_lines=True), style=style, overflow="fold")


def _printable(text: str, *, keep_lines: bool = False) -> str:
    """Return text without anything that a terminal would act on; a record and a server may hold any character."""
    kept = "\n" if keep_lines else ""
    return "".join(char if char.isprintable() or char in kept else "\ufffd" for char in text)


def _width(rows: Sequence[Sequence[object]]) -> int:
    """Return a width in which nothing is wrapped: what is piped is searched by lines."""
    return max([_NARROWEST, *(sum(len(str(value)) + 3 for value in row) for row in rows)]) * 2


def counted(number: int, word: str) -> str:
    """Return a number with its word, in the plural where it is not one."""
    return f"{number} {word}{'' if number == 1 else 's'}"
