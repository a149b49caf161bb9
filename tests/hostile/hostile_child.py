# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A process of its own that runs tasks against a hostile API and says what memory they took, over idle.

It reads one line of JSON a task, and answers each with a line of JSON.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
from pathlib import Path

ANSWER = "ended: "
_STATUS = Path("/proc/self/status")


def memory(name: str) -> int:
    """Resident bytes of this process: VmRSS now, VmHWM at the highest."""
    (found,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(found.split()[1]) * 1024


def main() -> None:
    # Before Airflow is imported anywhere: its folder must not be the user's.
    os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-music-tests-"))
    from airflow_provider_music.operators.music import GenerateMusicOperator
    from airflow_provider_music.testing import TaskRunner
    from airflow_provider_music.triggers import music as triggers

    triggers.HOLD_BACK_SECONDS = 0.0
    idle = None
    for number, line in enumerate(sys.stdin):
        asked = json.loads(line)
        os.environ["AIRFLOW_CONN_MUSIC_DEFAULT"] = asked["connection"]
        gc.collect()
        # The first task is good and warms up: imports, clients, the threads' stacks.
        idle = memory("VmRSS") if number == 1 else idle
        Path("/proc/self/clear_refs").write_text("5")
        error = None
        try:
            TaskRunner(run_id=f"run-{number}", skip_waits=False).run(
                GenerateMusicOperator(task_id="song", **asked["task"])
            )
        except Exception as exc:  # noqa: BLE001 - told as it is
            error = f"{type(exc).__name__}: {exc}"
        over = memory("VmHWM") - idle if idle else 0
        print(ANSWER + json.dumps({"over_idle": over, "error": error}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
