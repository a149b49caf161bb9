# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``audit``: explains the bill of a span of time, row by row, from the records. Free; it submits nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.cli.definition import CANNOT, OK, WRONG
from airflow_provider_music.cli.output import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from decimal import Decimal

    from airflow_provider_music.cli.output import Output
    from airflow_provider_music.generation.audit import Report

_COLUMNS = ("created", "outcome", "cost", "task", "take", "model", "request", "why")
#: Delivered songs and free rows are counted; the rest is worth a line.
_NOT_SHOWN = ("delivered", "not_chosen", "not_billed", "other_model")


def run(args: argparse.Namespace, out: Output) -> int:
    """Print the report; 1 where a cent is unexplained or a song could not be landed, 2 where not all was read."""
    from airflow_provider_music.cli.records import root_of
    from airflow_provider_music.generation.audit import AuditOptions, audit
    from airflow_provider_music.generation.audit_report import csv_of, document
    from airflow_provider_music.generation.audit_span import Span

    report = audit(
        AuditOptions(
            roots=[root_of(folder) for folder in args.folders or [None]],
            span=Span.of(args.since, args.until),
            conn_id=args.conn_id,
            adopt=args.adopt,
            music_only=args.music_only,
            max_rows=args.max_rows,
        )
    )
    if args.output == "csv":
        out.stream.write(csv_of(report))
    else:
        out.show(document(report), _COLUMNS, list(_rows(report)), *_sums(report))
    for text in (*report.gaps, *report.unreadable, *report.not_adopted):
        out.note(text)
    if report.unexplained.count or report.not_adopted:
        return WRONG
    return OK if report.is_whole and not report.unreadable else CANNOT


def _rows(report: Report) -> Iterator[tuple[Any, ...]]:
    from airflow_provider_music.generation.audit_report import line_of

    for line in report.lines:
        if line.outcome in _NOT_SHOWN and line.is_explained:
            continue
        plain = line_of(line, report)
        task = " / ".join(plain[name] for name in ("dag_id", "run_id", "task_id") if plain[name])
        yield (
            str(plain["created"] or "")[:19].replace("T", " "),
            line.outcome if line.is_explained else f"{line.outcome}: UNEXPLAINED",
            _usd(line.usd),
            task,
            plain["take"],
            plain["model"],
            plain["client_request_id"] or plain["generation_id"],
            line.why,
        )


def _sums(report: Report) -> Iterator[str]:
    span, bill, unexplained = report.options.span, report.bill, report.unexplained
    within = f"{span.since:%Y-%m-%d %H:%M} to {span.until:%Y-%m-%d %H:%M} UTC"
    yield f"{within}: {counted(bill.count, 'row')}, {_usd(bill.usd)}."
    for name, found in report.outcomes.items():
        yield f"  {name}: {found.count}, {_usd(found.usd)}"
    if report.of_other_airflows.count:
        yield f"Of these another Airflow's: {report.of_other_airflows.count}, {_usd(report.of_other_airflows.usd)}."
    if report.adopted:
        yield f"Landed: {counted(len(report.adopted), 'song')}. A retry or a clear of the task returns each."
    yield f"Unexplained: {counted(unexplained.count, 'row')}, {_usd(unexplained.usd)}."
    if not report.is_whole:
        yield "The bill was not read whole, so this is not all of it."


def _usd(amount: Decimal | None) -> str:
    """Return an amount to its last digit: a cent that is rounded away is not explained."""
    from airflow_provider_music.generation import audit_report

    return f"${audit_report.amount(amount)}" if amount is not None else "not known"
