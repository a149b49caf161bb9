# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What operators and sensor have in common: each reports what it read and made, and is never failed by that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from airflow_provider_music.compat import AIRFLOW, push_outputs
from airflow_provider_music.lineage import links

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_music.record.take import Take

R = TypeVar("R")
Kind = Literal["upload", "preprocess", "song", "batch", "sensor"]

log = logging.getLogger(__name__)


class LineageMixin:
    """Wraps a task's work, and has the methods that OpenLineage calls on an operator."""

    lineage_kind: ClassVar[Kind]
    #: What the task returned, and the class of what it raised, for a listener that calls later in this process.
    lineage_result: Any = None
    lineage_error: str | None = None
    #: Of a batch: each song in place, as its result and its request's fingerprint.
    lineage_songs: Any = ()
    #: The takes that this run delivered, one a song and in the order of ``lineage_songs``. Whoever delivers them sets
    #: it, and saves storage the reads: their facts are what is reported, also in place of a batch's fingerprints.
    lineage_takes: Sequence[Take] = ()
    #: The links that it pushed, by key; None where it has not run.
    lineage_links: Mapping[str, str] | None = None
    #: Where the task's record lies, once the work knows it.
    lineage_record_url: str | None = None

    def __init_subclass__(cls, **more: Any) -> None:
        """Give what inherits from a class that makes songs the link to their page."""
        super().__init_subclass__(**more)
        if getattr(cls, "lineage_kind", None) in ("song", "batch", "sensor"):
            links.inherit_listen_link(cls)

    def _do_render_template_fields(self, *arguments: Any, **more: Any) -> None:
        """Render the task's fields, for a mapped task too; one that fails over it has no link that leads nowhere."""
        if AIRFLOW >= (3, 0, 0):
            links.drop_links(self)
        super()._do_render_template_fields(*arguments, **more)  # type: ignore[misc]

    def _run_with_lineage(self, context: Any, work: Callable[[], R]) -> R:
        """Do the work; report links, asset events and hook lineage of it."""
        from airflow_provider_music.lineage import listener

        links.drop_links(self)
        _try(links.push_listen_link, self, context)

        def reported() -> R:
            try:
                return work()
            finally:
                _try(listener.report_record, self, context)

        # An instance may run more than once in a process, as in dag.test(); a former run's takes are of other songs.
        self.lineage_takes, self.lineage_record_url = (), None
        try:
            result = reported()
        except Exception as exc:
            self.lineage_error = type(exc).__name__
            raise
        if result is not None:
            self.lineage_result = result
            _try(listener.report_result, self, context, result)
            push_outputs(context, result)
        return result

    def get_openlineage_facets_on_start(self) -> Any:
        """Return what the task reads, for OpenLineage."""
        from airflow_provider_music.lineage import openlineage

        return openlineage.on_start(self)

    def get_openlineage_facets_on_complete(self, ti: Any) -> Any:
        """Return what the task made, from what, and for how much, for OpenLineage."""
        from airflow_provider_music.lineage import openlineage

        return openlineage.on_complete(self, ti)

    def get_openlineage_facets_on_failure(self, ti: Any) -> Any:
        """Return what the task read, and whether its failure is billed, for OpenLineage."""
        from airflow_provider_music.lineage import openlineage

        return openlineage.on_failure(self, ti)


def _try(report: Callable[..., None], *arguments: Any) -> None:
    try:
        report(*arguments)
    except Exception as exc:
        log.warning("Lineage is incomplete: %s: %s", type(exc).__name__, exc, exc_info=log.isEnabledFor(logging.DEBUG))
