# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What tasks logged: plain lines on 2.11, JSON lines on 3.x, both in the same folders."""

import json
from pathlib import Path
from typing import Any


def of_task(home: Path, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = -1) -> str:
    """Read what one try of a task logged, on the worker and in the triggerer."""
    folder = home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
    if map_index >= 0:
        folder /= f"map_index={map_index}"
    files = sorted(folder.glob(f"attempt={try_number}.log*"))
    return "\n".join(file.read_text(errors="replace") for file in files)


def readable(log: str) -> str:
    """Return a log for people: JSON lines become time, level, message and the error that came with them."""
    return "\n".join(_readable_line(line) for line in log.splitlines() if line.strip())


def _readable_line(line: str) -> str:
    try:
        record: dict[str, Any] = dict(json.loads(line))
    except (TypeError, ValueError):
        return line
    errors = [f"{error.get('exc_type')}: {error.get('exc_value')}" for error in record.get("error_detail") or []]
    head = f"{str(record.get('timestamp', ''))[11:19]} {record.get('level', '')}: {record.get('event', '')}"
    return "\n    ".join([head, *errors])
