# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Cost per wait over the number of waits, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Per contender: number of waits, CPU milliseconds a poll, KB a wait.
Series = "Mapping[str, list[tuple[int, float, float]]]"
_COLOURS = {
    "ours": "#0b6e4f",
    "ours, recorded": "#6bb392",
    "bare": "#444444",
    "bare httpx": "#aaaaaa",
    "HttpSensorTrigger": "#c8553d",
}


def draw(series: Mapping[str, list[tuple[int, float, float]]], path: Path, caption: str) -> bool:
    """Write a PNG; False where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        return False
    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import ScalarFormatter

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for name, points in series.items():
        counts = [count for count, _, _ in points]
        for axis, values in ((axes[0], [cpu for _, cpu, _ in points]), (axes[1], [rss for _, _, rss in points])):
            axis.plot(counts, values, marker="o", label=name, color=_COLOURS.get(name))
    for axis, title in ((axes[0], "CPU a poll (ms)"), (axes[1], "memory a wait (KB)")):
        axis.set_xscale("log")
        axis.set_xticks(sorted({count for points in series.values() for count, _, _ in points}))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        axis.set_xlabel("waits in one event loop")
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, fontsize=8)
    figure.suptitle(caption, fontsize=8, x=0.01, ha="left")
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return True
