# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""An audit's report as JSON and CSV. Amounts are decimal text, so that no sum of them drifts."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_music.exceptions import OutputError
from airflow_provider_music.generation.audit_records import generation_of, realm_of
from airflow_provider_music.storage.folder import Folder

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow_provider_music.generation.audit import Report, Sum
    from airflow_provider_music.generation.audit_lines import Line

COLUMNS = (
    *("created", "status", "outcome", "explained", "usd", "unexplained_usd", "credits", "model"),
    *("dag_id", "run_id", "task_id", "song", "take", "budget", "airflow", "another_airflow"),
    *("client_request_id", "generation_id", "record", "audio_uri", "why"),
)
_SONG = re.compile(r"/song-([0-9]+)/take-[0-9]+$")
#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def amount(usd: Decimal) -> str:
    """Return US dollars as text: exact, with two decimals at least."""
    whole, _, part = f"{usd:f}".partition(".")
    return f"{whole}.{part.rstrip('0'):0<2}"


def summary(report: Report) -> dict[str, Any]:
    """Return the sums, as plain JSON of bounded size."""
    options = report.options
    return {
        "since": options.span.since.isoformat(),
        "until": options.span.until.isoformat(),
        "conn_id": options.conn_id,
        "whole": report.is_whole,
        "gaps": list(report.gaps),
        "bill": _sum(report.bill, "rows"),
        "explained_usd": amount(report.explained_usd),
        "unexplained": _sum(report.unexplained, "rows"),
        "paid_not_delivered": _sum(report.not_delivered, "rows"),
        "other_airflows": _sum(report.of_other_airflows, "rows"),
        "outcomes": {name: _sum(each, "count") for name, each in report.outcomes.items()},
        "unreadable_records": len(report.unreadable),
        "adopted": len(report.adopted),
        "not_adopted": len(report.not_adopted),
    }


def document(report: Report) -> dict[str, Any]:
    """Return the whole report as plain JSON."""
    return {
        **summary(report),
        "roots": list(report.options.roots),
        "unreadable_records": list(report.unreadable),
        "adopted": list(report.adopted),
        "not_adopted": list(report.not_adopted),
        "lines": [line_of(line, report) for line in report.lines],
    }


def csv_of(report: Report) -> str:
    """Return one row a line, with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in report.lines:
        writer.writerow(_cell(value) for value in line_of(line, report).values())
    return text.getvalue()


def line_of(line: Line, report: Report) -> dict[str, Any]:
    """Return one line as plain JSON, by the names of the columns."""
    row, take, sensed = line.row, line.take, line.sensed or {}
    intent = take["intent"] if take is not None else {}
    done = take.facts.get("completed", {}) if take is not None else {}
    record = take.folder.url if take is not None else sensed.get("folder")
    dag_id, run_id, task_id = _parts(intent.get("task"))
    song = _SONG.search(record or "")
    return {
        "created": row.created if row is not None else intent.get("written_at"),
        "status": row.status if row is not None else None,
        "outcome": line.outcome,
        "explained": line.is_explained,
        "usd": amount(line.usd) if line.usd is not None else None,
        "unexplained_usd": amount(line.unexplained_usd),
        "credits": row.credits if row is not None else None,
        "model": intent.get("model") or sensed.get("model") or (row.model if row is not None else None),
        "dag_id": dag_id,
        "run_id": run_id,
        "task_id": task_id,
        "song": int(song[1]) if song is not None else None,
        "take": take.n if take is not None else None,
        "budget": (intent.get("budget") or {}).get("name"),
        "airflow": realm_of(record or ""),
        "another_airflow": report.is_of_another_airflow(line),
        "client_request_id": row.client_request_id if row is not None else intent.get("client_request_id"),
        "generation_id": (row.inference_id if row is not None else None) or (generation_of(take) if take else None),
        "record": record,
        "audio_uri": done.get("audio_uri") or sensed.get("audio_uri"),
        "why": line.why,
    }


def _parts(task: Any) -> tuple[str | None, str | None, str | None]:
    """Split a task's name for people, see :attr:`airflow_provider_music.record.identity.SongIdentity.name`."""
    dag_id, _, rest = str(task or "").partition(" / ")
    # A run may have any name.
    run_id, _, task_id = rest.rpartition(" / ")
    return dag_id or None, run_id or None, task_id or None


def _sum(found: Sum, what: str) -> dict[str, Any]:
    return {what: found.count, "usd": amount(found.usd)}


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) and not _is_amount(text) else text


def _is_amount(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) is not None


def write_report(report: Report, folder_url: str) -> tuple[str, str]:
    """Write the report as JSON and CSV, never over an earlier one; return their URLs. Blocks.

    :raises OutputError: the folder cannot be written.
    """
    folder = Folder(folder_url)
    name = f"audit-{report.options.span.name}-made-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    contents = {
        f"{name}.json": json.dumps(document(report), indent=2, ensure_ascii=False) + "\n",
        f"{name}.csv": csv_of(report),
    }
    try:
        for file, text in contents.items():
            # A byte order mark tells a spreadsheet that the text is UTF-8.
            folder.create(file, text.encode("utf-8-sig" if file.endswith(".csv") else "utf-8"))
    except OSError as exc:
        raise OutputError(f"The report cannot be written to {folder.url}: {exc}") from exc
    report_uri, csv_uri = map(folder.url_of, contents)
    return report_uri, csv_uri
