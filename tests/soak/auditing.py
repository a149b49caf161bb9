# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The bill of a soak, explained: every credit that the sandbox charged against the records that the songs left."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_music.generation import audit_adopt
from airflow_provider_music.generation.audit import AuditOptions, Report, audit
from airflow_provider_music.generation.audit_report import amount
from airflow_provider_music.generation.audit_span import Span
from airflow_provider_music.sandbox.settings import CREDITS_PER_USD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_music.sandbox.server import Sandbox

_SETTLE_SECONDS = 20.0


@dataclass
class Audited:
    """What the audit came to.

    :param charged: what the sandbox itself says that it charged.
    :param posts: how many POSTs landing what was still to be had made; there should be none.
    """

    before: Report
    after: Report
    charged: Decimal
    posts: int

    @property
    def holds(self) -> bool:
        """Whether each cent is explained, and nothing that is paid and to be had is left."""
        whole = all(report.is_whole and not report.unexplained.count for report in (self.before, self.after))
        exact = self.before.bill.usd == self.after.bill.usd == self.charged
        return whole and exact and not self.posts and "to_land" not in self.after.outcomes

    def table(self) -> Iterator[str]:
        """Yield the lines of the table."""
        yield f"| {'outcome':<18} | lines | {'USD':>9} | after --adopt | {'USD':>9} |"
        for name in sorted({*self.before.outcomes, *self.after.outcomes}):
            first, last = self.before.outcomes.get(name), self.after.outcomes.get(name)
            cells = [(each.count, amount(each.usd)) if each else (0, "0.00") for each in (first, last)]
            (rows, usd), (rows_after, usd_after) = cells
            yield f"| {name:<18} | {rows:5} | {usd:>9} | {rows_after:13} | {usd_after:>9} |"
        unexplained = self.before.unexplained
        yield f"bill {amount(self.before.bill.usd)} USD, charged {amount(self.charged)} USD"
        yield f"unexplained {unexplained.count} rows, {amount(unexplained.usd)} USD"
        landed = f"landed {len(self.after.adopted)}, not landed {len(self.after.not_adopted)}"
        yield f"{landed}, POSTs for that {self.posts}"


def audit_soak(sandbox: Sandbox, output_dir: Path) -> Audited:
    """Audit with the faults still armed, then land what is to be had without them."""
    charged = _charged(sandbox)
    before = audit(_options(output_dir))
    sandbox.clear_faults()
    posts = sandbox.posts()
    kept, audit_adopt.LEAVE_TO_TASK = audit_adopt.LEAVE_TO_TASK, timedelta()
    try:
        after = audit(_options(output_dir, adopt=True))
    finally:
        audit_adopt.LEAVE_TO_TASK = kept
    return Audited(before, after, charged, sandbox.posts() - posts)


def _options(output_dir: Path, *, adopt: bool = False) -> AuditOptions:
    return AuditOptions([str(output_dir)], Span.of("1d"), adopt=adopt)


def _charged(sandbox: Sandbox) -> Decimal:
    """Wait until no song is being made any more, and return what all of them cost."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        bills = sandbox.state()["bill"].values()
        if not any(bill["held_credits"] for bill in bills) or time.monotonic() > deadline:
            return Decimal(sum(bill["spent_credits"] for bill in bills)) / CREDITS_PER_USD
        time.sleep(0.2)
