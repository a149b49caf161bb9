# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The bill of a hundred songs as a picture: what is in storage, what is paid and lost, what is not there."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from money.report import Result

_WIDTH, _LEFT, _ROW, _TOP = 860, 250, 34, 64
_BAR = 18
_COLOURS = {"delivered": "#0b6e4f", "lost": "#c8553d", "cleared": "#a9d3c0"}
_LABELS = {
    "delivered": "paid, in storage",
    "lost": "paid and lost",
    "cleared": "in storage once a person has cleared the task",
}


def draw(results: Sequence[Result], path: Path, caption: str) -> None:
    """Write an SVG."""
    shown = [result for result in results if not result.broken]
    most = max((result.total("paid") for result in shown), default=1) or 1
    scale = (_WIDTH - _LEFT - 270) / most
    height = _TOP + _ROW * len(shown) + 12
    look = f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {look} role="img" aria-label="{escape(caption)}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" fill="#222222">{escape(caption)}</text>',
        *_legend(),
    ]
    for number, result in enumerate(shown):
        parts += _bar(result, _TOP + _ROW * number, scale)
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


def _legend() -> list[str]:
    parts, x = [], _LEFT
    for name, label in _LABELS.items():
        parts.append(f'<rect x="{x}" y="36" width="12" height="12" fill="{_COLOURS[name]}"/>')
        parts.append(f'<text x="{x + 18}" y="47" fill="#444444">{label}</text>')
        x += 22 + 7 * len(label)
    return parts


def _bar(result: Result, y: int, scale: float) -> list[str]:
    middle, x = y + _BAR - 4, float(_LEFT)
    parts = [f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end" fill="#222222">{escape(result.name)}</text>']
    for name in _LABELS:
        width = result.total(name) * scale
        parts.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{_COLOURS[name]}"/>')
        x += width
    told = f"{result.total('usd'):.2f} USD, {int(result.total('delivered'))} songs"
    told += f", {result.left} left to a person" if result.left else ""
    parts.append(f'<text x="{x + 8:.1f}" y="{middle}" fill="#222222">{told}</text>')
    return parts
