# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Generate until the song is good, and spend no more than a budget.

On Airflow 3.4 and later one song at a time: a loop generates and measures, and ends with the first song that keeps the
limits. Where none of three does, its gate fails, and says what the last one broke.

On an older Airflow all three at once: one task pays for three takes, delivers one that keeps the limits, and keeps the
others beside it. Where none does, the task fails and names the nearest.

Nothing is paid twice in either: a retry resumes what was submitted. It needs the extra ``quality`` on the workers.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum

from airflow_provider_music.audio.quality_limits import broken_limits
from airflow_provider_music.compat import AIRFLOW, DAG
from airflow_provider_music.operators.music import GenerateMusicOperator

MOST_SONGS = 3
BUDGET_USD = 0.75
#: Beside the defaults. The sandbox's songs are mono.
LIMITS = {"min_loudness_lufs": -18, "max_true_peak_dbtp": -1, "min_channels": None}
SONG: dict[str, Any] = {
    "task_id": "song",
    "model": "minimax/music-2.6",
    "prompt": "A slow waltz for strings and piano, warm, close to the microphone",
    "is_instrumental": True,
    "timeout": timedelta(minutes=30),
    "quality_limits": LIMITS,
}


def is_good(loop: Any) -> Any:
    """End the loop with a song that keeps the limits."""
    from airflow.sdk import LoopDecision  # type: ignore[attr-defined] # Airflow 3.4

    broken = broken_limits(loop.result["audio"]["quality"], LIMITS)
    return LoopDecision(stop=not broken, reason="; ".join(broken)[:500] or None)


with DAG(
    dag_id="generate_until_good",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    tags=["music"],
    doc_md=__doc__,
):
    if AIRFLOW >= (3, 4, 0):
        from airflow.sdk import task_group

        @task_group
        def attempt() -> None:
            """Generate one song; each iteration has a record, and a part of the budget, of its own."""
            GenerateMusicOperator(**SONG, quality="measure", max_usd=BUDGET_USD / MOST_SONGS)

        attempt.loop(max_iterations=MOST_SONGS, until=is_good)  # type: ignore[attr-defined]
    else:
        GenerateMusicOperator(**SONG, quality="fail", takes=MOST_SONGS, max_usd=BUDGET_USD)
