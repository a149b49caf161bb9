# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Answers OpenLineage: which datasets a task read and made, and what its run asked for and cost.

One chain: the reference's file, the ids that the API gave for it, the generation where another task waits for it,
and the song's file. Imported only when an OpenLineage listener asks.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.openlineage.facet import Dataset, OutputDataset, OutputStatisticsOutputDatasetFacet

from airflow_provider_music.lineage import billing
from airflow_provider_music.lineage.facets import (
    PRODUCER,
    MusicAudioDatasetFacet,
    MusicBillingRunFacet,
    MusicRunFacet,
)
from airflow_provider_music.lineage.facts import SongFacts, facts_of
from airflow_provider_music.lineage.listener import asked, is_given
from airflow_provider_music.lineage.names import API_NAMESPACE, dataset_of, dataset_of_foreign_url

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

#: Datasets named of one batch: events are meant to be small.
_MOST_TOLD = 100


def on_start(task: Any) -> Any:
    """Answer before the work: what it is going to read."""
    return _lineage(inputs=_inputs(task))


def on_complete(task: Any, ti: Any) -> Any:
    """Answer after the work. The task may be a fresh instance that never ran; then its XCom says what it returned."""
    result = task.lineage_result or ti.xcom_pull(task_ids=task.task_id, key="return_value", map_indexes=ti.map_index)
    if not isinstance(result, dict):
        return on_start(task)
    facts = SongFacts() if task.lineage_kind in ("upload", "batch") else facts_of(result, asked(task))
    inputs = [_read_file(task, result)] if task.lineage_kind == "upload" else _inputs(task)
    return _lineage(
        inputs=inputs,
        outputs=_outputs(task, result, facts),
        run_facets={"aimlapi_music": _run_facet(task, result, facts)},
    )


def on_failure(task: Any, ti: Any) -> Any:
    """Answer after a failure: what it means for the bill."""
    error, take, generation = task.lineage_error, None, None
    bill: billing.Billing
    if task.lineage_kind == "upload":
        bill = billing.of_upload(error)
    elif task.lineage_kind == "sensor":
        given = asked(task)
        bill, generation = billing.of_sensor(error, given), given.get("generation_id")
    else:
        from airflow_provider_music.record.store import SongRecord
        from airflow_provider_music.storage.folder import default_output_dir

        try:
            folder = billing.identity_of(ti).folder(task.output_dir or default_output_dir())
            if task.lineage_kind == "batch":
                bill = billing.of_batch(folder, int(ti.try_number))
            else:
                take = SongRecord(folder).latest()
                bill, generation = billing.of_take(take), take.generation_id if take else None
        except Exception as exc:  # noqa: BLE001 - a store's library may raise anything, and may be why the task failed
            log.warning("What the failure means for the bill is not known: %s: %s", type(exc).__name__, exc)
            bill = "may_be_billed"
    facet = MusicBillingRunFacet(
        billing=bill,
        error=error,
        take=take.n if take else None,
        generationId=generation,
        producer=PRODUCER,
    )
    return _lineage(inputs=_inputs(task), run_facets={"aimlapi_musicBilling": facet})


def _lineage(
    inputs: list[Any] | None = None, outputs: list[Any] | None = None, run_facets: dict[str, Any] | None = None
) -> Any:
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(inputs=inputs or [], outputs=outputs or [], run_facets=run_facets or {})


def _inputs(task: Any) -> list[Any]:
    kind = task.lineage_kind
    if kind == "upload":
        return [Dataset(*dataset_of(str(task.file)))]
    if kind == "sensor":
        given = asked(task)
        if given.get("status") == "completed" and given.get("audio_uri"):
            return [Dataset(*dataset_of(str(given["audio_uri"])))]
        return _named({"generation": given.get("generation_id")})
    if kind == "song":
        return _read_by(vars(task))
    from airflow_provider_music.api.request import listed

    found = {(one.namespace, one.name): one for request in listed(task.requests) for one in _read_by(request)}
    return list(found.values())[:_MOST_TOLD]


def _read_by(request: Any) -> list[Any]:
    """Return what one request refers to."""
    if not isinstance(request, dict):
        return []
    from airflow_provider_music.api.models import REFERENCES

    extra = request.get("extra_body")
    given = {**request, **extra} if isinstance(extra, dict) else request
    found: list[Any] = []
    for field, reference in REFERENCES.items():
        value = given.get(field)
        if reference.is_upload:
            found += _named({reference.kind: value})
        elif reference.kind == "url" and isinstance(value, str) and (foreign := dataset_of_foreign_url(value)):
            found.append(Dataset(*foreign))
    return found


def _named(ids: Mapping[str, Any]) -> list[Any]:
    """Return datasets that lie with the API."""
    return [
        Dataset(API_NAMESPACE, f"{what}/{name}")
        for what, name in ids.items()
        if isinstance(name, str) and name not in ("", "None")
    ]


def _read_file(task: Any, result: Mapping[str, Any]) -> Any:
    """Return the file of an upload; what was sent is known by its hash, whatever lies there later."""
    facet = MusicAudioDatasetFacet(sha256=result.get("sha256"), producer=PRODUCER)
    return Dataset(*dataset_of(str(task.file)), facets={"aimlapi_musicAudio": facet})


def _outputs(task: Any, result: Mapping[str, Any], facts: SongFacts) -> list[Any]:
    if task.lineage_kind == "upload":
        return _named({"voice": result.get("voice_id"), "instrumental": result.get("instrumental_id")})
    if task.lineage_kind == "batch":
        songs = [_song(*song) for song in task.lineage_songs[:_MOST_TOLD]]
        return [OutputDataset(*dataset_of(str(result["manifest_uri"]))), *songs]
    if result.get("status") != "completed":
        return _named({"generation": result.get("generation_id")})
    return [] if is_given(task, result) else [_song(result, facts.fingerprint)]


def _song(result: Mapping[str, Any], fingerprint: str | None) -> Any:
    audio = result.get("audio") or {}
    facet = MusicAudioDatasetFacet(
        format=audio.get("format"),
        sizeBytes=audio.get("size_bytes"),
        durationMs=audio.get("duration_ms"),
        sampleRateHz=audio.get("sample_rate_hz"),
        bitrateBps=audio.get("bitrate_bps"),
        sha256=audio.get("sha256"),
        model=result.get("model"),
        generationId=result.get("generation_id"),
        fingerprint=fingerprint,
        producer=PRODUCER,
    )
    statistics = OutputStatisticsOutputDatasetFacet(size=audio.get("size_bytes"), fileCount=1)
    namespace, name = dataset_of(str(result["audio_uri"]))
    return OutputDataset(
        namespace, name, facets={"aimlapi_musicAudio": facet}, outputFacets={"outputStatistics": statistics}
    )


def _run_facet(task: Any, result: Mapping[str, Any], facts: SongFacts) -> Any:
    usage = result.get("usage") or {}
    models = {song.get("model") for song, _ in task.lineage_songs} or {result.get("model")}
    return MusicRunFacet(
        model=models.pop() if len(models) == 1 else None,
        status=result.get("status"),
        fingerprint=facts.fingerprint,
        generationId=result.get("generation_id"),
        take=facts.take,
        submissions=result.get("submissions"),
        waitSeconds=facts.wait_seconds,
        creditsUsed=usage.get("credits_used"),
        usdSpent=usage.get("usd_spent"),
        requested=result.get("requested"),
        delivered=result.get("delivered"),
        failed=result.get("failed"),
        unknown=result.get("unknown"),
        traceId=result.get("trace_id"),
        producer=PRODUCER,
    )
