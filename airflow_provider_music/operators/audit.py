# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Explains the account's bill from the records, and writes the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_music.compat import MULTIPLE_OUTPUTS, BaseOperator
from airflow_provider_music.operators.base import check_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_music.generation.audit import Report

OnUnexplained = Literal["fail", "warn"]


class AuditMusicOperator(BaseOperator):
    """Explain the account's bill of a span of time, row by row, from the records; write the report as JSON and CSV.

    Every row of the API's usage log is put beside the record of its request: which task, run and take, and whether the
    song was delivered, lies in storage, can still be had, or is lost. It submits nothing and costs nothing. The same as
    ``python -m airflow_provider_music audit``.

    :param output_dir: where the report goes; any ``ObjectStoragePath`` URL or an absolute folder; templated.
    :param record_dirs: folders below which the records lie, each any URL or an absolute folder: the ``record_dir``
        or ``output_dir`` of the operators; templated; default ``[music] record_dir`` or ``[music] output_dir``.
    :param since: begin of the span, ISO 8601 in UTC, or how long before ``until`` (``"7d"``, ``"12h"``); templated. A
        song's row may appear only when the song is done, so let spans overlap by a day.
    :param until: its end, not included; templated; default the end of the run's data interval, or now.
    :param adopt: land songs that are paid and still to be had, if they were submitted more than an hour ago. A retry or
        a clear of their task then returns them.
    :param music_only: set rows of models aside that are no music models, where the key is used for others too.
    :param on_unexplained: where a cent is unexplained, or the bill could not be read whole: ``fail`` ends the task
        without using its retries, ``warn`` logs it. The report is written before.
    :param conn_id: Airflow connection of the account; templated.
    :return: the sums, amounts as decimal text, and ``report_uri`` and ``csv_uri``; each also under its own XCom key.
    :raises UnexplainedBillError: see ``on_unexplained``.
    """

    template_fields: Sequence[str] = ("output_dir", "record_dirs", "since", "until", "conn_id")
    ui_color = "#f5ecdc"

    def __init__(
        self,
        *,
        output_dir: Any,
        record_dirs: Sequence[Any] | None = None,
        since: Any = "8d",
        until: Any = "{{ data_interval_end | default('', true) }}",
        adopt: bool = False,
        music_only: bool = False,
        on_unexplained: OnUnexplained = "fail",
        conn_id: str = "music_default",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", MULTIPLE_OUTPUTS)
        check_names(type(self), kwargs)
        super().__init__(**kwargs)
        self.output_dir = output_dir
        self.record_dirs = record_dirs
        self.since = since
        self.until = until
        self.adopt = adopt
        self.music_only = music_only
        self.on_unexplained = on_unexplained
        self.conn_id = conn_id
        if on_unexplained not in get_args(OnUnexplained):
            raise ValueError(f"on_unexplained: {on_unexplained!r}; give 'fail' or 'warn'.")

    def execute(self, context: Any) -> dict[str, Any]:
        """Audit, write the report, and return its sums."""
        del context
        from airflow_provider_music.exceptions import UnexplainedBillError
        from airflow_provider_music.generation.audit import audit
        from airflow_provider_music.generation.audit_report import amount, summary, write_report
        from airflow_provider_music.storage.location import location

        folder = location(self.output_dir, "output_dir")
        report = audit(self._options())
        report_uri, csv_uri = write_report(report, folder)
        for text in (*report.unreadable, *report.not_adopted):
            self.log.warning("%s", text)
        doubt = _doubt(report)
        bill = report.bill
        self.log.info("Bill: %d rows, %s USD; report: %s", bill.count, amount(bill.usd), report_uri)
        if doubt is not None:
            message = f"{doubt} Nothing was submitted. Report: {report_uri}"
            if self.on_unexplained == "fail":
                raise UnexplainedBillError(message)
            self.log.warning("%s", message)
        return {**summary(report), "report_uri": report_uri, "csv_uri": csv_uri}

    def _options(self) -> Any:
        from airflow_provider_music.api.connection import conn_id_of
        from airflow_provider_music.generation.audit import AuditOptions
        from airflow_provider_music.generation.audit_span import Span
        from airflow_provider_music.generation.folders import default_record_dir
        from airflow_provider_music.storage.location import location

        given = [self.record_dirs] if isinstance(self.record_dirs, str) else self.record_dirs
        return AuditOptions(
            roots=[location(each, "record_dirs") for each in given or [default_record_dir()]],
            span=Span.of(self.since, self.until),
            conn_id=conn_id_of(self.conn_id),
            adopt=self.adopt,
            music_only=self.music_only,
        )


def _doubt(report: Report) -> str | None:
    """Return in words what is not explained, or not known to be; None where every cent is."""
    from airflow_provider_music.generation.audit_report import amount

    unexplained = report.unexplained
    if unexplained.count:
        return (
            f"{unexplained.count} rows of the bill with {amount(unexplained.usd)} USD are explained by no record below "
            f"{', '.join(report.options.roots)}. Give the other folders as record_dirs, or see who else has the key."
        )
    if report.gaps:
        return f"The bill was not read whole: {'; '.join(report.gaps)}."
    if report.unreadable:
        return f"{len(report.unreadable)} records cannot be read, so what they hold is not known."
    return None
