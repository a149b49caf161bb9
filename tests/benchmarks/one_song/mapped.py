# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One part of a mapped task's songs: ``python -m one_song.mapped <JSON>``.

As in production: each half of each song has a process of its own, forked from one that has loaded Airflow alone, and
all waits share a triggerer.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from one_song.half import FIGURES, OF_AIRFLOW, fire, long_ago, on_worker

#: Workers at once.
_SLOTS = 4


def main(order: dict[str, Any]) -> None:
    """Do the part for all songs; what the next part needs lies in files."""
    logging.basicConfig(level=logging.INFO, stream=open(os.devnull, "w"), force=True)  # noqa: SIM115, PTH123
    for name in OF_AIRFLOW:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if order["part"] == "wait":
        asyncio.run(_wait(order))
    else:
        _on_workers(order)
    print(FIGURES + json.dumps({"songs": order["count"]}), flush=True)  # noqa: T201 - the line that the parent reads


def _on_workers(order: dict[str, Any]) -> None:
    running: set[int] = set()
    for index in range(order["count"]):
        if len(running) == _SLOTS:
            running.discard(_ended())
        running.add(_fork(order, index))
    for _ in running:
        _ended()


def _ended() -> int:
    pid, status = os.wait()
    if status:
        raise SystemExit(f"a worker ended with {status}")
    return pid


def _fork(order: dict[str, Any], index: int) -> int:
    if pid := os.fork():
        return pid
    status = 1
    try:
        known = {} if order["part"] == "first" else {**_read(order, "first", index), **_read(order, "wait", index)}
        _write(order, index, on_worker({**order, **known, "map_index": index})())
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


async def _wait(order: dict[str, Any]) -> None:
    async def one(index: int) -> None:
        path, kwargs = _read(order, "first", index)["trigger"]
        module, _, name = path.rpartition(".")
        trigger = getattr(importlib.import_module(module), name)(**long_ago(kwargs))
        _write(order, index, await fire(trigger))

    await asyncio.gather(*(one(index) for index in range(order["count"])))


def _file(order: dict[str, Any], part: str, index: int) -> Path:
    return Path(order["shared"]) / f"{order['run_id']}-{part}-{index}.json"


def _read(order: dict[str, Any], part: str, index: int) -> dict[str, Any]:
    return dict(json.loads(_file(order, part, index).read_text()))


def _write(order: dict[str, Any], index: int, figures: dict[str, Any]) -> None:
    _file(order, order["part"], index).write_text(json.dumps(figures))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
