# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The measures that need no server of songs: pace, hex, imports."""

from __future__ import annotations

from inprocess.measures.plan import Plan, median, paired, say
from inprocess.report import Row, at_most

_SHARES = [0.5, 0.75, 1.0, 1.25, 1.5, 2.0]
#: A slow model and a quick one.
_MODELS = ("minimax/music-2.6", "elevenlabs/eleven_music")
_MIN_HEX, _MAX_IMPORT_MS = 0.7, 25.0
_OPERATORS = {
    "ours": ["airflow_provider_music.operators.music", "airflow_provider_music.sensors.music"],
    "HttpOperator": ["airflow.providers.http.operators.http"],
    "S3 operators": ["airflow.providers.amazon.aws.operators.s3"],
    "SQL operators": ["airflow.providers.common.sql.operators.sql"],
}


def pace(plan: Plan) -> list[Row]:
    """Polls a song and seconds from done to noticed, by a clock that jumps."""
    rows = []
    for model in _MODELS:
        found = plan.bench.run("pacing.pacing", model=model, shares=_SHARES, songs=10 if plan.quick else 50)
        for share, ours, fixed in zip(_SHARES, found["ours"], found["fixed"], strict=True):
            rows.append(
                Row(
                    f"Pace, {model} (usual {found['usual']:g} s), song takes {share:g} x that",
                    f"{ours['polls']:.1f} polls, noticed after {ours['late']:.1f} s (worst {ours['worst']:.1f})",
                    f"every 10 s: {fixed['polls']:.1f} polls, after {fixed['late']:.1f} s (worst {fixed['worst']:.1f})",
                    f"{ours['polls'] / fixed['polls']:.2f} polls, {ours['late'] / fixed['late']:.2f} time",
                )
            )
    return rows


def hexed(plan: Plan) -> list[Row]:
    """Slices of 64 KiB beside unhexlify over the whole."""
    size = 4_000_000 if plan.quick else 20_000_000
    found = plan.bench.run("hexed.hexed", size=size, rounds=9)
    speed = 1 / paired(found["ours"], found["whole"])
    mine, whole = (size / 1e6 / median(found[name]) for name in ("ours", "whole"))
    say(f"  hex {mine:.0f} MB/s, whole {whole:.0f} MB/s")
    return [
        Row(
            f"Hex of a {size // 10**6} MB song to bytes, in slices of 64 KiB",
            f"{mine:.0f} MB/s",
            f"unhexlify over the whole {whole:.0f} MB/s",
            f"{speed:.2f}",
            f"≥ {_MIN_HEX}",
            at_most(-speed, -_MIN_HEX),
        )
    ]


def imports(plan: Plan) -> list[Row]:
    """CPU of importing operators in a process that has Airflow's own already."""
    found: dict[str, list[float]] = {name: [] for name in _OPERATORS}
    for _ in range(3):
        for name, modules in _OPERATORS.items():
            found[name].append(plan.bench.run("importing.importing", modules=modules)["cpu"] * 1000)
    figures = {name: median(values) for name, values in found.items()}
    mine = figures.pop("ours")
    say(f"  import {mine:.1f} ms, {figures}")
    return [
        Row(
            "Import at DAG parse (operators and sensor), CPU",
            f"{mine:.0f} ms",
            ", ".join(f"{name} {value:.0f} ms" for name, value in figures.items()),
            f"{mine / figures['HttpOperator']:.2f} of HttpOperator",
            f"≤ {_MAX_IMPORT_MS:.0f} ms",
            mine <= _MAX_IMPORT_MS,
        )
    ]
