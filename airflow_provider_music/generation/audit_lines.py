# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Explains a bill, row by row, from what the records know; and names the requests that the bill does not have."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, assert_never

from airflow_provider_music.cost.pricing import usd_of
from airflow_provider_music.generation.audit_bill import cost_of_row
from airflow_provider_music.generation.audit_span import moment_of
from airflow_provider_music.generation.usage_log import n_of_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_music.api.endpoints import LogRow
    from airflow_provider_music.generation.audit_bill import Bill
    from airflow_provider_music.generation.audit_records import Records
    from airflow_provider_music.generation.audit_span import Span
    from airflow_provider_music.record.take import Fact, Take

#: What came of a row of the bill.
#: delivered: the task returned the song. not_chosen: it returned another song of the same request (takes above 1), and
#: names this one beside it. in_storage: it lies there, and no try has returned it yet. to_land: paid, and the API still
#: has it. id_delivered: the task returned the id, and no sensor below these folders landed the song.
#: open: paid, and a try of the task has yet to find out whether its song is in storage. lost: paid, and nobody has it.
#: failed_but_billed: the record says that it failed. not_billed: it costs nothing. other_model: not music, set aside.
#: no_record: no record knows it. billed_again: another row is of the same request.
#: And of a request without a row: unknown: its response is lost. not_in_log: the record has it, the log not (yet).
Outcome = Literal[
    "delivered",
    "not_chosen",
    "in_storage",
    "to_land",
    "id_delivered",
    "open",
    "lost",
    "failed_but_billed",
    "not_billed",
    "other_model",
    "no_record",
    "billed_again",
    "unknown",
    "not_in_log",
]
#: A cent in one of these is explained by nothing.
UNEXPLAINED: tuple[Outcome, ...] = ("no_record", "billed_again")
#: Paid, and the task does not have its song.
NOT_DELIVERED: tuple[Outcome, ...] = ("in_storage", "to_land", "id_delivered", "open", "lost", "failed_but_billed")
#: No row of the bill.
WITHOUT_ROW: tuple[Outcome, ...] = ("unknown", "not_in_log")
_COST_FACTS: tuple[Fact, ...] = ("completed", "unknown", "accepted")
#: A smaller difference is one of rounding: a credit is half of it.
_LEAST_DIFFERENCE = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the bill, or one request that has none, and what explains it.

    :param usd: what the row costs; None where it does not say, or there is no row.
    :param unexplained_usd: the part of it that nothing explains.
    :param why: in words.
    :param sensed: what a sensor landed of it.
    """

    outcome: Outcome
    why: str
    usd: Decimal | None = None
    unexplained_usd: Decimal = Decimal()
    row: LogRow | None = None
    take: Take | None = None
    sensed: Mapping[str, Any] | None = None

    @property
    def is_explained(self) -> bool:
        """Whether no cent of it is unexplained; one of unknown amount is none."""
        unpriced = self.outcome in UNEXPLAINED and self.usd is None
        return not self.unexplained_usd and not unpriced


def lines_of(
    bill: Bill, records: Records, span: Span, conn_id: str, is_music: Callable[[str | None], bool] | None = None
) -> list[Line]:
    """Return a line for each row of the span, newest first, and then for each request that has none.

    :param conn_id: whose bill it is; requests of other connections are of other bills, where this one has no row.
    :param is_music: where given, tells which models' rows are of interest.
    """
    index = records.index()
    matched = [(row, index.take_of(row)) for row in bill.rows]
    billed: set[str] = set()
    lines = []
    # Oldest first: of two rows of a request the second is the one too many.
    for row, take in reversed(matched):
        repeated = False
        if take is not None and cost_of_row(row) != 0:
            repeated = take.folder.url in billed
            billed.add(take.folder.url)
        if span.has(moment_of(row.created)):
            lines.append(_line(row, take, records, is_music, repeated=repeated))
    lines.reverse()
    with_row = {take.folder.url for _, take in matched if take is not None}
    for take in records.takes:
        intent = take["intent"]
        if (
            take.folder.url not in with_row
            and intent.get("conn_id") == conn_id
            and span.has(moment_of(intent.get("written_at")))
            and (outcome := _outcome_without_row(take)) is not None
        ):
            lines.append(Line(*outcome, take=take))
    return lines


def _line(
    row: LogRow,
    take: Take | None,
    records: Records,
    is_music: Callable[[str | None], bool] | None,
    *,
    repeated: bool,
) -> Line:
    usd, sensed = cost_of_row(row), records.sensed.get(row.inference_id or "")
    if usd == 0:
        why = "the request failed, which costs nothing" if row.failed else "it costs nothing"
        return Line("not_billed", why, usd, row=row, take=take, sensed=sensed)
    if repeated:
        why = "another row is of the same request: it was billed more than once, though it was sent once"
        return Line("billed_again", why, usd, usd or Decimal(), row, take)
    if take is not None:
        outcome, why = _outcome(row, take, sensed)
        known = _recorded(take)
        over = usd - known if usd is not None and known is not None else Decimal()
        if over < _LEAST_DIFFERENCE:
            return Line(outcome, why, usd, row=row, take=take, sensed=sensed)
        return Line(outcome, f"{why}; the API's own response said {known} USD", usd, over, row, take, sensed)
    if sensed is not None:
        return Line("delivered", "submitted elsewhere, and landed by a sensor", usd, row=row, sensed=sensed)
    is_ours = n_of_request(row.client_request_id or "") is not None
    if is_music is not None and not is_ours and not is_music(row.model):
        return Line("other_model", "no music, set aside", usd, row=row)
    return Line("no_record", _why_unknown(row), usd, usd or Decimal(), row)


def _outcome(row: LogRow, take: Take, sensed: Mapping[str, Any] | None) -> tuple[Outcome, str]:
    """Return what came of a row that is billed."""
    match take.state:
        case "delivered":
            return _delivered(take, sensed)
        case "completed":
            return "in_storage", _why_not_returned(take)
        case "accepted":
            return "to_land", "accepted, and not landed; a retry or a clear of the task lands it"
        case "failed":
            return "failed_but_billed", f"the record says that it failed, and the bill disagrees: {_reason(take)}"
        case "unknown" | "open" if take["intent"].get("lane") == "queued" and row.inference_id:
            return "to_land", f"its response is lost, and the usage log has its id: {_reason(take)}"
        case "unknown":
            return "lost", _reason(take)
        case "open":
            return "open", "no fact says yet what came of it; a retry or a clear of the task finds out"
        case _:
            assert_never(take.state)


def _delivered(take: Take, sensed: Mapping[str, Any] | None) -> tuple[Outcome, str]:
    if take.not_chosen:
        return "not_chosen", "the task delivered another song of the same request as the best, and names this one too"
    if "completed" in take:
        return "delivered", "the task returned it"
    if sensed is not None:
        return "delivered", "the task returned its id, and a sensor landed it"
    return "id_delivered", "the task returned its id; no sensor below these folders has landed the song"


def _why_not_returned(take: Take) -> str:
    if "rejected" not in take:
        return "no try has returned it; a retry or a clear of the task does, and submits nothing"
    broken = "; ".join(map(str, take["rejected"].get("broken") or ["its quality"]))
    return f"rejected: {broken}. A clear with wider limits delivers it; a clear as it is submits a new take"


def _outcome_without_row(take: Take) -> tuple[Outcome, str] | None:
    """Return what a request is that may be billed, or is by its record; None where nothing is owed."""
    match take.billing:
        case "not_billed":
            return None
        case "billed":
            return "not_in_log", "its record says that it is billed; the usage log has no row of it (yet)"
        case "may_be_billed":
            return None if take.never_sent else ("unknown", _reason(take))
        case _:
            assert_never(take.billing)


def _recorded(take: Take) -> Decimal | None:
    """Return what the record says that it cost."""
    for name in _COST_FACTS:
        fact = take.facts.get(name, {})
        usd = usd_of(fact.get("usage") or fact)
        if usd is not None:
            return usd
    return None


def _reason(take: Take) -> str:
    fact = take.facts.get("failed") or take.facts.get("unknown") or {}
    return str(fact.get("reason") or "no response is recorded")


def _why_unknown(row: LogRow) -> str:
    song = n_of_request(row.client_request_id or "")
    if song is None:
        return "no request of this package, as far as its id says: something else used the key"
    return (
        f"take {song[1]} of a task whose record is not below these folders: another folder, another Airflow, or a "
        "record that was deleted"
    )
