# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What operators and sensor have in common: each tells of what it read and made, and is never failed by that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")
Kind = Literal["upload", "song", "batch", "sensor"]

log = logging.getLogger(__name__)


class LineageMixin:
    """Wraps a task's work, and answers OpenLineage's questions about it."""

    lineage_kind: ClassVar[Kind]
    #: What the task returned, and the class of what it raised, for listeners that ask afterwards in this process.
    lineage_result: Any = None
    lineage_error: str | None = None
    #: Of a batch: each song in place, with its request's fingerprint.
    lineage_songs: Any = ()

    def _run_with_lineage(self, context: Any, work: Callable[[], R]) -> R:
        """Do the work; leave links, asset events and hook lineage of it."""
        from airflow_provider_music.lineage import listener

        _try(listener.begun, self, context)
        try:
            result = work()
        except Exception as exc:
            self.lineage_error = type(exc).__name__
            raise
        if result is not None:
            self.lineage_result = result
            _try(listener.done, self, context, result)
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


def _try(tell: Callable[..., None], *given: Any) -> None:
    try:
        tell(*given)
    except Exception as exc:
        log.warning("Lineage is incomplete: %s: %s", type(exc).__name__, exc, exc_info=log.isEnabledFor(logging.DEBUG))
