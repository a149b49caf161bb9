# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the page of a task instance shows: one song's takes, or the list of a batch; and whether that has changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.fields import REQUEST_FIELDS
from airflow_provider_music.plugin import words
from airflow_provider_music.plugin.listen_link import page_path
from airflow_provider_music.plugin.songs import batch_of, several_of, song_of
from airflow_provider_music.plugin.takes import TakeView, view_of
from airflow_provider_music.plugin.task_facts import TaskFacts, TaskKey, read_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from airflow_provider_music.plugin.songs import Song
    from airflow_provider_music.record.take import Take

_BATCH = "GenerateMusicBatchOperator"
#: Shown of a request, in this order; its settings of audio are in what came of it.
_WORDS = ("model", *REQUEST_FIELDS, "extra_body")


@dataclass(frozen=True, slots=True)
class SongPage:
    """A song's page; texts only.

    :param sign: changes with whatever the page shows, so that its script knows when to load it again.
    :param is_open: whether something more may come by itself.
    :param batch: path of the list that the song is in, where it is in one.
    """

    key: TaskKey
    index: int | None
    path: str
    task_path: str
    state: str
    progress: str
    sign: str
    is_open: bool
    takes: tuple[TakeView, ...]
    words: tuple[tuple[str, str], ...]
    problem: str | None
    batch: str | None

    @property
    def state_path(self) -> str:
        """Where the page's script asks for its sign."""
        return f"{self.path}/state" + ("" if self.index is None else f"?song={self.index}")

    @property
    def playable(self) -> list[TakeView]:
        """The takes that can be heard."""
        return [take for take in self.takes if take.is_playable]


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One song in the list of a batch."""

    index: int
    path: str
    take: int
    state: str
    billing: str
    model: str


@dataclass(frozen=True, slots=True)
class BatchPage:
    """A batch's page."""

    key: TaskKey
    path: str
    task_path: str
    state: str
    sign: str
    is_open: bool
    songs: tuple[BatchRow, ...]
    requested: int | None
    usage: Mapping[str, Any]
    problem: str | None

    @property
    def state_path(self) -> str:
        """Where the page's script asks for its sign."""
        return f"{self.path}/state"


def song_page(key: TaskKey, index: int | None, base: str, now: datetime) -> SongPage | BatchPage | None:
    """Return a task instance's page, or of a batch that of one song; blocks. None: there is no such task instance.

    :param index: of a song in its batch.
    :param base: path of these pages.
    """
    task = read_task(key)
    if task is None:
        return None
    airflow = base.removesuffix("/music")
    path = page_path(airflow, key.dag_id, key.run_id, key.task_id, key.map_index)
    if index is None and is_batch(task):
        return _batch_page(task, path, airflow)
    song = song_of(task, index)
    several = several_of(task, song) if index is None else []
    takes = _all_takes(song, several)
    return SongPage(
        key=key,
        index=index,
        path=path,
        task_path=_task_path(airflow, key),
        state=task.state or "none",
        progress=words.progress(task, _newest(takes), now),
        sign=_sign(task, takes),
        is_open=_is_open(task),
        takes=tuple(view_of(take, path, place, is_one_of_several=True) for place, one in several for take in one.takes)
        or tuple(view_of(take, path, index) for take in song.takes),
        words=tuple(_words(task, index)),
        problem=words.text(song.problem) if song.problem else None,
        batch=path if index is not None else None,
    )


def state_of(key: TaskKey, index: int | None, now: datetime) -> dict[str, Any] | None:
    """Return what a page's script polls: where the song stands, and the sign of what there is to show."""
    task = read_task(key)
    if task is None:
        return None
    if index is None and is_batch(task):
        songs, _ = batch_of(task)
        sign, progress = _sign(task, (song.take for song in songs)), ""
    else:
        song = song_of(task, index)
        takes = _all_takes(song, several_of(task, song) if index is None else [])
        sign = _sign(task, takes)
        progress = words.progress(task, _newest(takes), now)
    return {"state": task.state, "progress": progress, "sign": sign, "open": _is_open(task)}


def _all_takes(song: Song, several: Sequence[tuple[int, Song]]) -> tuple[Take, ...]:
    """Return the takes that a page shows: those of the songs of one request, or of the one song."""
    return tuple(take for _, one in several for take in one.takes) or song.takes


def _newest(takes: Sequence[Take]) -> Take | None:
    """Return the take that says where the task stands: of several songs one that is under way."""
    return next((take for take in takes if take.state in ("open", "accepted")), takes[0] if takes else None)


def is_batch(task: TaskFacts) -> bool:
    """Whether a task makes many songs; a subclass is known by what it returned or was given."""
    return task.operator == _BATCH or "manifest_uri" in task.returned or "requests" in task.fields


def _batch_page(task: TaskFacts, path: str, airflow: str) -> BatchPage:
    songs, problem = batch_of(task)
    requests = _requests(task)
    rows = tuple(
        BatchRow(
            song.index,
            f"{path}?song={song.index}",
            song.take.n,
            words.STATE_NAMES[song.take.state],
            # A take that was only listed does not know whether a lost response is billed.
            "may be billed" if song.take.state == "unknown" else words.BILLING_NAMES[song.take.billing],
            words.text(_of_request(requests, song.index).get("model") or ""),
        )
        for song in songs
    )
    requested, usage = task.returned.get("requested"), task.returned.get("usage")
    return BatchPage(
        key=task.key,
        path=path,
        task_path=_task_path(airflow, task.key),
        state=task.state or "none",
        sign=_sign(task, (song.take for song in songs)),
        is_open=_is_open(task),
        songs=rows,
        requested=requested if isinstance(requested, int) else len(requests) or None,
        usage=usage if isinstance(usage, dict) else {},
        problem=words.text(problem) if problem else None,
    )


def _words(task: TaskFacts, index: int | None) -> Iterable[tuple[str, str]]:
    request = task.fields if index is None else _of_request(_requests(task), index)
    for name in _WORDS:
        value = request.get(name)
        if value not in (None, "", [], {}):
            yield name.replace("_", " "), words.text(value)


def _requests(task: TaskFacts) -> list[Any]:
    """Return a batch's requests, as far as Airflow keeps them: it cuts long ones off."""
    given = task.fields.get("requests")
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return []
    return given if isinstance(given, list) else []


def _of_request(requests: list[Any], index: int) -> Mapping[str, Any]:
    found = requests[index] if index < len(requests) else None
    return found if isinstance(found, dict) else {}


def _sign(task: TaskFacts, takes: Iterable[Take]) -> str:
    return " ".join([task.state or "none", *(f"{take.n}:{take.state}" for take in takes)])


def _is_open(task: TaskFacts) -> bool:
    return not task.is_over


def _task_path(airflow: str, key: TaskKey) -> str:
    from urllib.parse import quote

    dag, run, task = (quote(name, safe="") for name in (key.dag_id, key.run_id, key.task_id))
    mapped = f"/mapped/{key.map_index}" if key.map_index >= 0 else ""
    return f"{airflow}/dags/{dag}/runs/{run}/tasks/{task}{mapped}"
