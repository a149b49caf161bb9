# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a task reports to OpenLineage: the datasets that it read and made, and facets of its request and its cost.

One chain: the reference's file, the ids that the API gave for it, the generation where another task waits for it,
and the song's file. Imported only when an OpenLineage listener calls. The facets' schema lies beside, in schema/.
"""
# ruff: noqa: N815 - names as OpenLineage spells them

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import attr
from openlineage.client.generated.base import Dataset, DatasetFacet, OutputDataset, RunFacet
from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet

from airflow_provider_music import __version__
from airflow_provider_music.lineage import facts
from airflow_provider_music.lineage.facts import SongFacts, facts_of, generation_of, is_input, songs_of_batch
from airflow_provider_music.lineage.names import API_NAMESPACE, dataset_of, dataset_of_foreign_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.take import Billing

log = logging.getLogger(__name__)

PRODUCER = f"https://pypi.org/project/airflow-provider-music/{__version__}"
SCHEMA = "urn:airflow-provider-music:openlineage:1-0-0"
#: Datasets named of one batch: events are meant to be small.
_MOST_NAMED = 100


def on_start(task: Any) -> Any:
    """Return what the task is going to read."""
    return _lineage(inputs=_inputs(task))


def on_complete(task: Any, ti: Any) -> Any:
    """Return what the task made. It may be a fresh instance that never ran; then its XCom says what it returned."""
    result = task.lineage_result or ti.xcom_pull(task_ids=task.task_id, key="return_value", map_indexes=ti.map_index)
    if not isinstance(result, dict):
        return on_start(task)
    of_file = task.lineage_kind in ("upload", "preprocess")
    found = SongFacts() if of_file or task.lineage_kind == "batch" else facts_of(task, result)
    inputs = [_read_file(task, result)] if of_file and task.file is not None else _inputs(task)
    if facts.is_handed_out(result):
        inputs.append(Dataset(*dataset_of(str(result["audio_uri"]))))
    return _lineage(
        inputs=inputs,
        outputs=_outputs(task, result, found),
        run_facets={"aimlapi_music": _run_facet(task, result, found)},
    )


def on_failure(task: Any, ti: Any) -> Any:
    """Return what a failure means for the bill."""
    facet = _billing_facet(task, ti)
    return _lineage(inputs=_inputs(task), run_facets={"aimlapi_musicBilling": facet})


def _lineage(
    inputs: list[Any] | None = None, outputs: list[Any] | None = None, run_facets: dict[str, Any] | None = None
) -> Any:
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(inputs=inputs or [], outputs=outputs or [], run_facets=run_facets or {})


# Datasets


def _inputs(task: Any) -> list[Any]:
    kind = task.lineage_kind
    if kind == "upload":
        return [Dataset(*dataset_of(str(task.file)))]
    if kind == "preprocess":
        return [Dataset(*dataset_of(str(task.file)))] if task.file is not None else _read_by(vars(task))
    if kind == "sensor":
        generation = generation_of(task)
        if generation.get("status") == "completed" and generation.get("audio_uri"):
            return [Dataset(*dataset_of(str(generation["audio_uri"])))]
        return _named({"generation": generation.get("generation_id")})
    if kind == "song":
        return _read_by(vars(task))
    if not task.requests:
        # Of a function that has not run yet.
        return []
    from airflow_provider_music.api.request import listed

    found = {(one.namespace, one.name): one for request in listed(task.requests) for one in _read_by(request)}
    return list(found.values())[:_MOST_NAMED]


def _read_by(request: Any) -> list[Any]:
    """Return what one request refers to."""
    if not isinstance(request, dict):
        return []
    from airflow_provider_music.api.models import REFERENCES

    extra = request.get("extra_body")
    fields = {**request, **extra} if isinstance(extra, dict) else request
    found: list[Any] = []
    for field, reference in REFERENCES.items():
        value = fields.get(field)
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


def _outputs(task: Any, result: Mapping[str, Any], found: SongFacts) -> list[Any]:
    if task.lineage_kind == "upload":
        return _named({"voice": result.get("voice_id"), "instrumental": result.get("instrumental_id")})
    if task.lineage_kind == "preprocess":
        return _named({"features": result.get("cover_feature_id")})
    if task.lineage_kind == "batch":
        songs = [_song(*song) for song in songs_of_batch(task)[:_MOST_NAMED]]
        return [OutputDataset(*dataset_of(str(result["manifest_uri"]))), *songs]
    if result.get("status") != "completed":
        return _named({"generation": result.get("generation_id")})
    return [] if is_input(task, result) else [_song(result, found.fingerprint)]


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
        quality=audio.get("quality"),
        producer=PRODUCER,
    )
    statistics = OutputStatisticsOutputDatasetFacet(size=audio.get("size_bytes"), fileCount=1)
    namespace, name = dataset_of(str(result["audio_uri"]))
    return OutputDataset(
        namespace, name, facets={"aimlapi_musicAudio": facet}, outputFacets={"outputStatistics": statistics}
    )


# Facets


def _run_facet(task: Any, result: Mapping[str, Any], found: SongFacts) -> Any:
    usage = result.get("usage") or {}
    models = {song.get("model") for song, _ in task.lineage_songs} or {result.get("model")}
    return MusicRunFacet(
        model=models.pop() if len(models) == 1 else None,
        status=result.get("status"),
        fingerprint=found.fingerprint,
        generationId=result.get("generation_id"),
        take=found.take,
        submissions=result.get("submissions"),
        waitSeconds=found.wait_seconds,
        creditsUsed=usage.get("credits_used"),
        usdSpent=usage.get("usd_spent"),
        requested=result.get("requested"),
        delivered=result.get("delivered"),
        failed=result.get("failed"),
        unknown=result.get("unknown"),
        traceId=result.get("trace_id"),
        reused=_reused(result),
        producer=PRODUCER,
    )


def _reused(result: Mapping[str, Any]) -> dict[str, str] | None:
    """Return whose song it is that was handed out again, with what is known of it."""
    named = {"task": "task", "record_uri": "recordUri", "generation_id": "generationId", "completed_at": "completedAt"}
    reused = result.get("reused") or {}
    return {theirs: str(reused[ours]) for ours, theirs in named.items() if reused.get(ours)} or None


def _billing_facet(task: Any, ti: Any) -> Any:
    error, take, generation_id = task.lineage_error, None, None
    bill: Billing
    if task.lineage_kind == "upload":
        bill = facts.billing_of_upload(error)
    elif task.lineage_kind == "sensor":
        generation = generation_of(task)
        bill, generation_id = facts.billing_of_sensor(error, generation), generation.get("generation_id")
    else:
        from airflow_provider_music.record.store import SongRecord
        from airflow_provider_music.storage.folder import Folder

        try:
            folder = Folder(task.lineage_record_url) if task.lineage_record_url is not None else None
            if folder is None:
                bill = facts.billing_before_record(error, int(ti.try_number))
            elif task.lineage_kind == "batch" or getattr(task, "takes", 1) > 1:
                bill = facts.billing_of_batch(folder, int(ti.try_number))
            else:
                take = SongRecord(folder).latest()
                bill = take.billing if take else "not_billed"
                generation_id = take.generation_id if take else None
        except Exception as exc:  # noqa: BLE001 - a store's library may raise anything, and may be why the task failed
            log.warning("What the failure means for the bill is not known: %s: %s", type(exc).__name__, exc)
            bill = "may_be_billed"
    return MusicBillingRunFacet(
        billing=bill,
        error=error,
        take=take.n if take else None,
        generationId=generation_id,
        producer=PRODUCER,
    )


@attr.define(kw_only=True)
class MusicRunFacet(RunFacet):
    """What a run requested of the API, and what it cost."""

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
    reused: dict[str, str] | None = None

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
    quality: dict[str, Any] | None = None

    @staticmethod
    def _get_schema() -> str:
        return f"{SCHEMA}#/$defs/MusicAudioDatasetFacet"
