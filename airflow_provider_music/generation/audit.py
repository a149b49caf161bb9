# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The audit: the bill of a span of time, explained by the records below some folders. It submits nothing."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_music.generation.audit_adopt import land_paid
from airflow_provider_music.generation.audit_bill import MAX_ROWS, read_bill
from airflow_provider_music.generation.audit_lines import NOT_DELIVERED, WITHOUT_ROW, Line, lines_of
from airflow_provider_music.generation.audit_records import read_records, realm_of
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.hooks.clients import settings_of
from airflow_provider_music.record.identity import SongIdentity, deployment_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_music.generation.audit_span import Span

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What is audited.

    :param roots: folders below which the records lie.
    :param conn_id: connection of the account whose bill it is.
    :param adopt: whether songs that are paid and still to be had are landed.
    :param music_only: whether rows of models that the catalogue does not know are set aside, where no record and no
        request's id makes them ours.
    """

    roots: Sequence[str]
    span: Span
    conn_id: str = "music_default"
    adopt: bool = False
    music_only: bool = False
    max_rows: int = MAX_ROWS


@dataclass(frozen=True, slots=True)
class Sum:
    """Some lines' count, and their cost as far as it is known."""

    count: int
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit came to.

    :param lines: rows of the bill, newest first; behind them the requests that have none.
    :param gaps: in words, why these may not be all rows of the span, or not what they cost.
    :param unreadable: in words, records that cannot be read.
    :param adopted: URLs of the songs that were landed.
    :param not_adopted: in words, what could not be.
    :param realm: the part of a record's path that names this Airflow and this API.
    """

    options: AuditOptions
    lines: tuple[Line, ...]
    gaps: tuple[str, ...]
    unreadable: tuple[str, ...]
    realm: str
    adopted: tuple[str, ...] = ()
    not_adopted: tuple[str, ...] = ()

    @property
    def rows(self) -> list[Line]:
        """Lines that are rows of the bill."""
        return [line for line in self.lines if line.outcome not in WITHOUT_ROW]

    @property
    def bill(self) -> Sum:
        """All rows."""
        return _sum(self.rows)

    @property
    def unexplained(self) -> Sum:
        """What nothing explains."""
        found = [line for line in self.rows if not line.is_explained]
        return Sum(len(found), sum((line.unexplained_usd for line in found), Decimal()))

    @property
    def explained_usd(self) -> Decimal:
        """The rest."""
        return self.bill.usd - self.unexplained.usd

    @property
    def not_delivered(self) -> Sum:
        """What is paid without that the task has its song."""
        return _sum(line for line in self.rows if line.outcome in NOT_DELIVERED)

    @property
    def of_other_airflows(self) -> Sum:
        """What records explain that another Airflow wrote below these folders."""
        return _sum(line for line in self.rows if self.is_of_another_airflow(line))

    @property
    def outcomes(self) -> dict[str, Sum]:
        """Count and cost by outcome."""
        names = Counter(line.outcome for line in self.lines)
        return {name: _sum(line for line in self.lines if line.outcome == name) for name in sorted(names)}

    def is_of_another_airflow(self, line: Line) -> bool:
        """Whether a line's record was written by another Airflow, or for another API."""
        realm = realm_of(line.take.folder.url) if line.take is not None else None
        return realm is not None and realm.rpartition("~")[2] != self.realm.rpartition("~")[2]

    @property
    def is_whole(self) -> bool:
        """Whether all rows of the span were read, and each says what it costs."""
        return not self.gaps


def audit(options: AuditOptions) -> Report:
    """Make it; blocks.

    :raises ApiError: the usage log says no.
    :raises ApiUnreachableError: it does not answer.
    :raises RecordError: a folder cannot be listed.
    """
    report = _audited(options)
    if not options.adopt:
        return report
    due = [line for line in report.lines if line.outcome == "to_land"]
    adopted, not_adopted = run_sync(land_paid(options.conn_id, due))
    # What the records say now, of the same bill or a newer one.
    again = _audited(options) if adopted else report
    return replace(again, adopted=tuple(adopted), not_adopted=tuple(not_adopted))


def _audited(options: AuditOptions) -> Report:
    span, conn_id = options.span, options.conn_id
    base_url = settings_of(conn_id).base_url
    bill = run_sync(read_bill(conn_id, span, options.max_rows))
    records = read_records(options.roots, span, bill.rows)
    lines = lines_of(bill, records, span, conn_id, _is_music if options.music_only else None)
    unpriced = sum(line.usd is None for line in lines if line.outcome not in WITHOUT_ROW)
    gaps = [*bill.gaps, *([f"{unpriced} rows do not say what they cost"] if unpriced else [])]
    own = SongIdentity("", "", "").within(deployment_name(), base_url).realm
    log.info("Audited %d rows of the usage log against %d takes", len(bill.rows), len(records.takes))
    return Report(options, tuple(lines), tuple(gaps), tuple(records.unreadable), own)


def _is_music(model: str | None) -> bool:
    from airflow_provider_music.api.models import known_names

    # The log may name a model without its vendor.
    short = {name.rpartition("/")[2] for name in known_names()}
    return model is None or model.rpartition("/")[2] in short


def _sum(lines: Iterable[Line]) -> Sum:
    costs = [line.usd or Decimal() for line in lines]
    return Sum(len(costs), sum(costs, Decimal()))
