# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""This package's own OpenLineage facets. Imported only where an OpenLineage client is; their schema lies beside."""
# ruff: noqa: N815 - names as OpenLineage spells them

from __future__ import annotations

import attr
from airflow.providers.common.compat.openlineage.facet import DatasetFacet, RunFacet

from airflow_provider_music import __version__

PRODUCER = f"https://pypi.org/project/airflow-provider-music/{__version__}"
SCHEMA = "urn:airflow-provider-music:openlineage:1-0-0"


@attr.define(kw_only=True)
class MusicRunFacet(RunFacet):
    """What a run asked of the API, and what it cost."""

    model: str | None = None
    status: str | None = None
    fingerprint: str | None = None
    generationId: str | None = None
    take: int | None = None
    submissions: int | None = None
    waitSeconds: float | None = None
    creditsUsed: float | None = None
    usdSpent: float | None = None
    requested: int | None = None
    delivered: int | None = None
    failed: int | None = None
    unknown: int | None = None
    traceId: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return f"{SCHEMA}#/$defs/MusicRunFacet"


@attr.define(kw_only=True)
class MusicBillingRunFacet(RunFacet):
    """What a failed run means for the bill, and the class of its error; never a word of the request."""

    billing: str
    error: str | None = None
    take: int | None = None
    generationId: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return f"{SCHEMA}#/$defs/MusicBillingRunFacet"


@attr.define(kw_only=True)
class MusicAudioDatasetFacet(DatasetFacet):
    """What an audio file is, and of a song the request that it was made for."""

    format: str | None = None
    sizeBytes: int | None = None
    durationMs: int | None = None
    sampleRateHz: int | None = None
    bitrateBps: int | None = None
    sha256: str | None = None
    model: str | None = None
    generationId: str | None = None
    fingerprint: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return f"{SCHEMA}#/$defs/MusicAudioDatasetFacet"
