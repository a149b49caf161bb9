# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a task leaves for others: links before it waits; links, asset events and hook lineage when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.lineage import assets, collector, links
from airflow_provider_music.lineage.facts import facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.lineage.assets import Song


def begun(task: Any, context: Any) -> None:
    """Leave what can be known before the work."""
    if task.lineage_kind != "upload":
        links.leave_record_link(context, task.output_dir)


def done(task: Any, context: Any, result: Any) -> None:
    """Leave what the work came to."""
    if task.lineage_kind == "upload":
        collector.tell_read(task, str(result["file"]))
    elif task.lineage_kind == "batch":
        assets.tell(task, context, lambda: task.lineage_songs, result)
        for song, _ in task.lineage_songs:
            collector.tell_written(task, str(song["audio_uri"]))
    elif result.get("status") == "completed":
        links.leave_song_link(context, result)
        assets.tell(task, context, lambda: [_song(task, result)])
        if not is_given(task, result):
            collector.tell_written(task, str(result["audio_uri"]))
    else:
        assets.tell(task, context, lambda: [_song(task, result)], in_storage=False)


def asked(task: Any) -> Mapping[str, Any]:
    """Return what a sensor was given, if it was more than an id."""
    if task.lineage_kind != "sensor":
        return {}
    from airflow_provider_music.generation.sensed import read_generation

    return read_generation(task.generation)


def is_given(task: Any, result: Mapping[str, Any]) -> bool:
    """Whether a sensor hands on the song that it was given, complete already."""
    given = asked(task)
    return given.get("status") == "completed" and given.get("audio_uri") == result.get("audio_uri")


def _song(task: Any, result: Mapping[str, Any]) -> Song:
    return result, facts_of(result, asked(task)).fingerprint
