# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The takes of a task instance, as its record has them, or as its XComs do where the record cannot be read.

Everything here blocks and only reads. What a record says is data: a page shows it as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.plugin.roots import OutsideRootsError, candidates, file_below, folder_below
from airflow_provider_music.record.generation_ref import read_fact
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.record.take import Take

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_music.plugin.task_facts import TaskFacts
    from airflow_provider_music.storage.folder import Folder

#: The newest are shown; a task that was cleared more often has its older ones in storage all the same.
MOST_TAKES = 20
#: Content types of the formats that a record can name. A browser plays no raw PCM.
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "pcm": "application/octet-stream",
}
_TAKE = re.compile(r"(.+)/take-[1-9][0-9]*/\w+\.json")
_MANIFEST = re.compile(r"(.+)/manifest-try-[1-9][0-9]*\.jsonl")
_IN_A_BATCH = re.compile(r"song-([0-9]+)/take-([1-9][0-9]*)/(\w+)\.json")


@dataclass(frozen=True, slots=True)
class AudioFile:
    """One file that may be heard, and what it is.

    :param sha256: as the record has it; None where it does not say.
    """

    folder: Folder
    name: str
    format: str
    sha256: str | None

    @property
    def media_type(self) -> str:
        """What a browser is told that it is."""
        return MEDIA_TYPES[self.format]


@dataclass(frozen=True, slots=True)
class Song:
    """The takes of one song, the newest first.

    :param problem: why there are none, or not all, where something is wrong.
    """

    takes: tuple[Take, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class BatchSong:
    """One song of a batch, by its place in the list; its newest take and where that stands."""

    index: int
    take: Take = field(default_factory=lambda: Take(1))


def song_of(task: TaskFacts, index: int | None = None) -> Song:
    """Return a task instance's takes; those of one song of its batch, by the place in its list."""
    try:
        folder = _folder_of(task)
        if folder is not None and index is not None:
            folder = folder / f"song-{index}"
        takes = _takes_in(folder) if folder is not None else ()
        if not takes and index is None:
            takes = _takes_returned(task.returned)
    except (MusicError, OSError) as exc:
        # The record does not answer; what the task returned is in Airflow's own database.
        return Song(_takes_returned(task.returned) if index is None else (), str(exc))
    return Song(takes)


def batch_of(task: TaskFacts) -> tuple[list[BatchSong], str | None]:
    """Return the songs of a batch by one listing of its record, and what is wrong, if something is.

    A take in it says where it stands and no more: none of its facts is read.
    """
    try:
        folder = _folder_of(task)
        names = folder.names() if folder is not None else set()
    except (MusicError, OSError) as exc:
        return [], str(exc)
    return _songs_named(names), None


def several_of(task: TaskFacts, own: Song) -> list[tuple[int, Song]]:
    """Return the songs that a task made of one request (``takes`` above 1), by their place; none of another task.

    :param own: what lies in the task's own record: a task of one song has takes there.
    """
    if own.takes and "takes" not in task.returned:
        return []
    songs, _ = batch_of(task)
    return [(song.index, song_of(task, song.index)) for song in songs[:MOST_TAKES]]


def audio_of(take: Take) -> AudioFile:
    """Return the file of a take that is in storage.

    :raises OutsideRootsError: it lies where nothing is played from.
    :raises MusicError: there is none, or it is no audio by what the record says.
    """
    fact = take.facts.get("completed", {})
    audio = _object(fact.get("audio"))
    url, kind = fact.get("audio_uri"), str(audio.get("format")).lower()
    if not isinstance(url, str):
        raise MusicError(f"Take {take.n} has no song in storage.")
    if kind not in MEDIA_TYPES or not url.lower().endswith(f".{kind}"):
        raise MusicError(f"Take {take.n} names a file that is no audio of a known format.")
    folder, name = file_below(url)
    sha256 = audio.get("sha256")
    return AudioFile(folder, name, kind, sha256 if isinstance(sha256, str) else None)


def take_numbered(song: Song, n: int) -> Take | None:
    """Return one take by its number; 0 is the one that only XComs name."""
    return next((take for take in song.takes if take.n == n), None)


def _folder_of(task: TaskFacts) -> Folder | None:
    """Return where the record of a task instance's song, or of its batch, lies."""
    record_uri = task.returned.get("record_uri")
    # Of several takes of one request the record is beside the manifest too; that of the chosen one lies below it.
    manifest_uri = task.returned.get("manifest_uri") or _object(task.returned.get("takes")).get("manifest_uri")
    if isinstance(manifest_uri, str) and (found := _MANIFEST.fullmatch(manifest_uri)):
        return folder_below(found[1])
    if isinstance(record_uri, str):
        found = _TAKE.fullmatch(record_uri)
        return folder_below(found[1]) if found else None
    return _folder_of_open_task(task)


def _folder_of_open_task(task: TaskFacts) -> Folder | None:
    """Return it while nothing was returned yet: by the names of the task, below the folders that are played from."""
    from airflow_provider_music.hooks.clients import settings_of
    from airflow_provider_music.record.identity import SongIdentity, deployment_name

    key, fields = task.key, task.fields
    if "conn_id" not in fields:
        # It has not begun, or is no task of ours.
        return None
    identity = SongIdentity(key.dag_id, key.run_id, key.task_id, key.map_index)
    identity = identity.within(deployment_name(), settings_of(fields["conn_id"]).base_url)
    folders = (identity.folder(root) for root in candidates(fields.get("output_dir")))
    return next((folder for folder in folders if not folder.is_empty()), None)


def _takes_in(folder: Folder) -> tuple[Take, ...]:
    record = SongRecord(folder)
    newest = record.latest()
    if newest is None:
        return ()
    older = (record.read(n) for n in range(newest.n - 1, max(0, newest.n - MOST_TAKES), -1))
    return (newest, *(take for take in older if take is not None))


def _takes_returned(returned: Mapping[str, Any]) -> tuple[Take, ...]:
    """Make a take of what a task returned: a sensor's, whose record is one fact, or one whose record is gone."""
    if not returned.get("generation_id") and not returned.get("audio_uri"):
        return ()
    if returned.get("audio_uri"):
        return (Take(0, {"completed": {**returned, **_fact_of_sensor(returned.get("record_uri"))}}),)
    return (Take(0, {"accepted": returned}),)


def _fact_of_sensor(record_uri: Any) -> Mapping[str, Any]:
    """Return the fact that a sensor left; its time is in it. Empty where it cannot be read."""
    try:
        folder, name = file_below(str(record_uri))
        fact = read_fact(folder.url, name)
    except (MusicError, OSError):
        return {}
    return {key: fact[key] for key in ("written_at", "try_number") if key in fact}


def _songs_named(names: Iterable[str]) -> list[BatchSong]:
    facts: dict[int, dict[int, dict[Any, Mapping[str, Any]]]] = {}
    for name in names:
        if found := _IN_A_BATCH.fullmatch(name):
            facts.setdefault(int(found[1]), {}).setdefault(int(found[2]), {})[found[3]] = {}
    return [BatchSong(index, Take(max(takes), takes[max(takes)])) for index, takes in sorted(facts.items())]


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


__all__ = [
    "AudioFile",
    "BatchSong",
    "OutsideRootsError",
    "Song",
    "audio_of",
    "batch_of",
    "several_of",
    "song_of",
    "take_numbered",
]
