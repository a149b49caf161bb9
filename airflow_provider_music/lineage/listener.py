# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a task reports to Airflow: links before it waits; links, asset events and hook lineage of its result.

An event holds what a consumer has to know of a song, and no words of its request: only their hash.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_music.lineage import links
from airflow_provider_music.lineage.facts import facts_of, is_input, songs_of_batch
from airflow_provider_music.lineage.names import asset_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_provider_music.lineage.facts import Song

log = logging.getLogger(__name__)


def report_record(task: Any, context: Any) -> None:
    """Report where the record lies, as soon as the work knows: also where it ends in a wait, or in an error."""
    links.push_record_link(task, context, task.lineage_record_url)


def report_result(task: Any, context: Any, result: Any) -> None:
    """Report what the work came to."""

    def song() -> list[Song]:
        return [(result, facts_of(task, result).fingerprint)]

    if task.lineage_kind == "upload":
        report_read(task, str(result["file"]))
    elif task.lineage_kind == "preprocess":
        if task.file is not None:
            report_read(task, str(task.file))
    elif task.lineage_kind == "batch":
        report_assets(task, context, lambda: songs_of_batch(task), result)
        for delivered, _ in task.lineage_songs:
            report_written(task, str(delivered["audio_uri"]))
    elif result.get("status") == "completed":
        links.push_song_link(task, context, result)
        report_assets(task, context, song)
        if not is_input(task, result):
            report_written(task, str(result["audio_uri"]))
        elif result.get("reused"):
            report_read(task, str(result["audio_uri"]))
    else:
        report_assets(task, context, song, in_storage=False)


# Asset events


def report_assets(
    task: Any,
    context: Any,
    songs: Callable[[], Iterable[Song]],
    batch: Mapping[str, Any] | None = None,
    *,
    in_storage: bool = True,
) -> None:
    """Put what a task made into the events of its outlets.

    An alias gets one asset for each song; an asset gets one event, of the song or of the whole batch.

    :param songs: called only where a task has outlets.
    :param batch: result of a batch.
    :param in_storage: False for a song that was submitted only. It has no file for an alias to name; but Airflow
        makes the event of an asset all the same, and that says what is known.
    """
    outlets = getattr(task, "outlets", None) or ()
    if not outlets or "outlet_events" not in context:
        return
    from airflow_provider_music.compat import Asset, AssetAlias

    events, made = context["outlet_events"], list(songs())
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            for result, fingerprint in made if in_storage else ():
                _add_asset(events[outlet], Asset, result, fingerprint)
        elif isinstance(outlet, Asset) and (batch is not None or made):
            events[outlet].extra.update(extra_of_batch(batch) if batch is not None else extra_of(*made[0]))


def extra_of(result: Mapping[str, Any], fingerprint: str | None) -> dict[str, Any]:
    """Return the event's extra of one song."""
    audio, usage = result.get("audio") or {}, result.get("usage") or {}
    return {
        "audio_uri": result.get("audio_uri"),
        "sha256": audio.get("sha256"),
        "model": result.get("model"),
        "duration_ms": audio.get("duration_ms"),
        "usd_spent": usage.get("usd_spent"),
        "credits_used": usage.get("credits_used"),
        "generation_id": result.get("generation_id"),
        "record_uri": result.get("record_uri"),
        "fingerprint": fingerprint,
        **({"reused": result["reused"]} if result.get("reused") else {}),
        **({"quality": audio["quality"]} if audio.get("quality") else {}),
    }


def extra_of_batch(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event's extra of a whole batch."""
    counts = {name: result.get(name) for name in ("manifest_uri", "requested", "delivered", "failed", "unknown")}
    if "rejected" in result:
        counts["rejected"] = result["rejected"]
    return {**counts, **(result.get("usage") or {})}


def _add_asset(event: Any, asset: Any, result: Mapping[str, Any], fingerprint: str | None) -> None:
    uri = asset_uri(str(result["audio_uri"]))
    try:
        made = asset(uri)
    except ValueError as exc:
        # A provider knows better what a URI of its scheme looks like; a name of one's own is always free.
        log.warning("Airflow takes no asset %s (%s); it is reported as x-%s", uri, exc, uri)
        made = asset(f"x-{uri}")
    event.add(made, extra=extra_of(result, fingerprint))


# Hook lineage: what was read and written, for whatever collects it on the worker


def report_read(context: Any, url: str) -> None:
    """Report a file as read, once: ``ObjectStoragePath`` may have reported it already."""
    collector = _collector()
    uri = asset_uri(url)
    if collector is not None and uri not in _uris(collector.collected_assets.inputs):
        collector.add_input_asset(context=context, uri=uri)


def report_written(context: Any, url: str) -> None:
    """Report a file as written, once."""
    collector = _collector()
    uri = asset_uri(url)
    if collector is not None and uri not in _uris(collector.collected_assets.outputs):
        collector.add_output_asset(context=context, uri=uri)


def _collector() -> Any | None:
    """Return Airflow's collector, or None where nobody reads it: it loads every provider's assets, 0.1 s of CPU."""
    if not _has_readers():
        return None
    from airflow_provider_music.compat import get_hook_lineage_collector, with_asset_names

    return with_asset_names(get_hook_lineage_collector())


def _has_readers() -> bool:
    """Whether a plugin reads hook lineage; where that is not known, one may."""
    try:
        from airflow.sdk import plugins_manager

        return bool(plugins_manager.get_hook_lineage_readers_plugins())
    except (ImportError, AttributeError):
        pass
    try:
        # Airflow 2.
        from airflow import plugins_manager as airflow_2

        airflow_2.initialize_hook_lineage_readers_plugins()  # type: ignore[attr-defined]
        return bool(airflow_2.hook_lineage_reader_classes)  # type: ignore[attr-defined]
    except (ImportError, AttributeError):
        return True


def _uris(collected: Any) -> set[str]:
    # Airflow 2.11 keeps the asset as ``dataset``, unless another provider's compatibility layer has renamed it.
    return {(getattr(one, "asset", None) and one.asset.uri) or one.dataset.uri for one in collected}
