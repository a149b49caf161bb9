# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Asset events of a task that succeeded, with what a consumer has to know of the songs. No words, only hashes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_music.lineage.names import asset_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

log = logging.getLogger(__name__)

#: A song's result, and the fingerprint of its request.
Song = tuple["Mapping[str, Any]", "str | None"]


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
    }


def extra_of_batch(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event's extra of a whole batch."""
    counts = {name: result.get(name) for name in ("manifest_uri", "requested", "delivered", "failed", "unknown")}
    return {**counts, **(result.get("usage") or {})}


def tell(
    task: Any,
    context: Any,
    songs: Callable[[], Iterable[Song]],
    whole: Mapping[str, Any] | None = None,
    *,
    in_storage: bool = True,
) -> None:
    """Put what a task made into the events of its outlets.

    An alias gets one asset for each song; an asset gets one event, of the song or of the batch as a whole.

    :param songs: looked up only where a task has outlets.
    :param whole: result of a batch.
    :param in_storage: False for a song that is asked for only. It has no file for an alias to name; but Airflow
        makes the event of an asset all the same, and that says what is known.
    """
    outlets = getattr(task, "outlets", None) or ()
    if not outlets or "outlet_events" not in context:
        return
    from airflow.providers.common.compat.sdk import Asset, AssetAlias

    events, made = context["outlet_events"], list(songs())
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            for result, fingerprint in made if in_storage else ():
                _add(events[outlet], Asset, result, fingerprint)
        elif isinstance(outlet, Asset) and (whole is not None or made):
            events[outlet].extra.update(extra_of_batch(whole) if whole is not None else extra_of(*made[0]))


def _add(event: Any, asset: Any, result: Mapping[str, Any], fingerprint: str | None) -> None:
    uri = asset_uri(str(result["audio_uri"]))
    try:
        made = asset(uri)
    except ValueError as exc:
        # A provider knows better what a URI of its scheme looks like; a name of one's own is always free.
        log.warning("Airflow takes no asset %s (%s); it is told as x-%s", uri, exc, uri)
        made = asset(f"x-{uri}")
    event.add(made, extra=extra_of(result, fingerprint))
