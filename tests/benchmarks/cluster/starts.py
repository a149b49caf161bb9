# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Row "starts": what a sensor's wait costs that begins in the triggerer, beside one that begins on a worker."""

from collections.abc import Iterator

import httpx
from harness.sandbox import SandboxProcess

from airflow_provider_music.sandbox.settings import QUEUED_PATH
from cluster.report import Line
from cluster.stage import Measured, Stage

_WAITS, _DELAY_S = 20, 30.0
_TIMEOUT_S = 300.0


def measure(stage: Stage, sandbox: SandboxProcess) -> Iterator[Line]:
    """Ours begins in the triggerer; the "peer" is the same sensor with start_from_trigger=False."""
    sandbox.settings(delay=_DELAY_S, song_bytes=None, song_seconds=5.0)
    for side in ("trigger", "worker"):
        stage.run(f"starts_{side}_1", 1, _TIMEOUT_S, conf={"ids": _ask(sandbox, 1)})
    begun, on_worker = (
        stage.run(f"starts_{side}_{_WAITS}", _WAITS, _TIMEOUT_S, conf={"ids": _ask(sandbox, _WAITS)})
        for side in ("trigger", "worker")
    )
    row = f"{_WAITS} sensors, start_from_trigger; peer: without"
    met = begun.done == on_worker.done == _WAITS
    yield Line(row, "done", begun.done, on_worker.done, "all", met=met)
    yield Line(row, "worker starts a wait", _starts(stage, begun), _starts(stage, on_worker))
    for name in ("scheduler", "triggerer", "api-server", "postgres"):
        what = "scheduler and workers" if name == "scheduler" else name
        yield Line(row, f"{what}, CPU a wait over idle, s", begun.each[name], on_worker.each[name])
    yield Line(row, '"blocked" lines of the triggerer', len(begun.blocks), len(on_worker.blocks))
    yield Line(row, "... that a machine with a core to spare had seen too", begun.own_blocks, on_worker.own_blocks)


def _ask(sandbox: SandboxProcess, count: int) -> list[str]:
    """Ask for songs as another system would; returns their ids."""
    with httpx.Client(base_url=sandbox.url, headers={"Authorization": f"Bearer {sandbox.key}"}, trust_env=False) as api:
        bodies = [
            {"model": "minimax/music-2.6", "prompt": f"Song number {number}", "lyrics": "We row until the end of night"}
            for number in range(count)
        ]
        return [str(api.post(QUEUED_PATH, json=body).raise_for_status().json()["id"]) for body in bodies]


def _starts(stage: Stage, measured: Measured) -> float:
    """Count the starts of workers a wait, by what each of them logs first."""
    folder = stage.home / "logs" / f"dag_id={measured.dag_id}" / f"run_id={measured.run_id}"
    logs = [file.read_text(errors="replace") for file in folder.rglob("attempt=*.log")]
    return sum(log.count("::group::Pre Execute") for log in logs) / measured.count
