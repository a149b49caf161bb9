# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What sends the request of a take: as it is, paid from a shared budget, or only where no other task has its song."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_music.generation.submit import Submission

if TYPE_CHECKING:
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.store import SongRecord


def submission_of(spec: GenerationSpec, record: SongRecord, *, waits: bool = True) -> Submission:
    """Return it.

    :param waits: whether it waits for a task that makes the same request, or raises WaitsForAnother.
    """
    # Most tasks have neither, and need none of what these bring.
    if spec.reuse is not None:
        from airflow_provider_music.generation.reuse import ClaimedSubmission

        return ClaimedSubmission(spec, record, waits=waits)
    if spec.budget is not None:
        from airflow_provider_music.generation.reservation import BudgetedSubmission

        return BudgetedSubmission(spec, record)
    return Submission(spec, record)
