# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``check``: what is wrong with DAG files before they are deployed, and what a run of each task can cost. Free."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_music.cli.definition import OK, WRONG
from airflow_provider_music.cli.output import counted, usd

if TYPE_CHECKING:
    import argparse

    from airflow_provider_music.cli.dag_files import Loaded, TaskRequests
    from airflow_provider_music.cli.output import Output


def run(args: argparse.Namespace, out: Output) -> int:
    """Print one line a task, and one a file that cannot be loaded."""
    from airflow_provider_music.cli import dag_files

    loaded = dag_files.Loaded()
    for path in args.paths:
        found = dag_files.load(path)
        loaded.tasks += found.tasks
        loaded.errors |= found.errors
        loaded.dags += found.dags
    return report(loaded, args.conn_id, args.max_usd, out)


def report(loaded: Loaded, conn_id: str, max_usd: float | None, out: Output, *, allow_unknown: bool = False) -> int:
    """Print what DAG files hold, and return the exit code."""
    from airflow_provider_music.cli import prices
    from airflow_provider_music.cli.dag_files import tasks_of

    tasks = list(tasks_of(loaded))
    quotes = iter(prices.quotes(conn_id, [request for task in tasks for request in task.requests]))
    documents, known = [], []
    for task in tasks:
        its = [next(quotes) for _ in task.requests]
        known += its
        documents.append(_document(task, prices.total(its), {quote.why for quote in its if quote.usd is None}))
    total = prices.total(known)
    unknown = total.unpriced + sum(task.unknown is not None for task in tasks)
    over = prices.Total(total.usd, unknown).over(max_usd, allow_unknown=allow_unknown)
    wrong = bool(loaded.errors) or any(task.problems for task in tasks) or over is not None
    rows = [_row(document) for document in documents]
    rows += [(Path(file).name, "", "FAIL", "", "", error) for file, error in loaded.errors.items()]
    plus = f", and what is not known of {counted(unknown, 'more')}" if unknown else ""
    ending = f"{counted(loaded.dags, 'DAG')}, {counted(len(known), 'song')} a run: at most {usd(total.usd)}{plus}."
    out.show(
        {
            "ok": not wrong,
            "max_usd_a_run": total.usd,
            "unknown": unknown,
            "over": over,
            "tasks": documents,
            "import_errors": loaded.errors,
        },
        ("DAG", "task", "", "songs", "at most a run", "what"),
        rows,
        ending,
        *([over] if over else []),
    )
    return WRONG if wrong else OK


def _document(task: TaskRequests, total: Any, unpriced: set[str]) -> dict[str, Any]:
    return {
        "file": task.file,
        "dag_id": task.dag_id,
        "task_id": task.task_id,
        "problems": task.problems,
        "songs": len(task.requests),
        "max_usd": total.usd if task.requests and not total.unpriced else None,
        "unknown": task.unknown,
        "unpriced": sorted(unpriced),
    }


def _row(document: dict[str, Any]) -> tuple[object, ...]:
    problems = document["problems"]
    words = [*problems, *([document["unknown"]] if document["unknown"] else []), *document["unpriced"]]
    more = "+" if document["unknown"] else ""
    amount = usd(document["max_usd"]) if document["songs"] else ""
    return (
        document["dag_id"],
        document["task_id"],
        "FAIL" if problems else "ok",
        f"{document['songs']}{more}" if document["songs"] or more else "",
        amount,
        "\n".join(words),
    )
