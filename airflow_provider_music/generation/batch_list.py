# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The identity of a batch's list: a song is known by its place in it, so the list may not change while songs are open.

Its length and the fingerprints of its requests are written once, before anything is sent. Another list of the same
length is a matter of each song's own record; another length would leave paid songs behind, or under a wrong place.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_music.exceptions import ChangedRequestError, RecordError
from airflow_provider_music.record.policy import Decision, began_anew
from airflow_provider_music.record.store import FIRST_LIST, SongRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_music.generation.attempt import SongAttempt
    from airflow_provider_music.record.identity import TaskAttempt
    from airflow_provider_music.record.take import Take
    from airflow_provider_music.storage.folder import Folder

log = logging.getLogger(__name__)

Lists = Literal["requests", "takes"]

_SONG = re.compile(r"song-([0-9]+)")
_LENGTH = 16
_OPEN = ("open", "accepted", "completed")


def left_beside(single: SongAttempt, place: int = 0) -> tuple[list[SongAttempt], list[Decision]]:
    """Return the songs of a task's folder that it makes no more since ``takes`` was edited: its budget counts them.

    :param single: the task as one of one song.
    :param place: from which on they are not its own now.
    """
    folder = single.record.folder
    try:
        found = sorted(int(named[1]) for name in folder.children() if (named := _SONG.fullmatch(name)))
    except OSError as exc:
        raise RecordError(f"The record {folder.url} cannot be listed: {exc}. Nothing is sent.") from exc
    songs = [single.with_record(folder.url_of(f"song-{index}")) for index in found if index >= place]
    newest = [(song, take) for song in songs if (take := song.record.latest()) is not None]
    return [song for song, _ in newest], [as_it_is(take) for _, take in newest]


def as_it_is(take: Take) -> Decision:
    """Leave a song alone; what it cost counts."""
    return Decision("skip", take.n, "of another number of takes")


class BatchList:
    """The lists that a batch was started with, the newest last; blocks.

    :param folder: the batch's record.
    :param fingerprints: of the requests as they are now, in order.
    :param of: what the task has several of: a list of requests, or takes of one request.
    """

    def __init__(
        self, folder: Folder, fingerprints: Sequence[str], attempt: TaskAttempt, of: Lists = "requests"
    ) -> None:
        self._folder = folder
        self._of = of
        self._now = [one[:_LENGTH] for one in fingerprints]
        self._attempt = attempt
        self._k, self._before = self._newest()

    @staticmethod
    def was_written(names: Iterable[str]) -> bool:
        """Whether a list is among the names of what lies in a batch's folder: a try began its songs there."""
        return FIRST_LIST in names

    def check(self) -> None:
        """Refuse a list of another length while songs are open.

        :raises ChangedRequestError: it is; the first time. A clear after that takes the list as it is.
        """
        before = self._before
        if before is None or len(before["fingerprints"]) == len(self._now):
            return
        open_songs = self._open_songs(len(before["fingerprints"]))
        if not open_songs:
            return
        name = f"list-{self._k}-changed.json"
        refused = self._read(name)
        if refused is not None and began_anew(refused, self._attempt):
            # One take alone has a record of its own, beside theirs.
            kept = 0 if self._of == "takes" and len(self._now) == 1 else len(self._now)
            lost = [index for index in open_songs if index >= kept]
            if lost:
                log.warning("Songs %s of the former list stay behind, paid: %s", lost, self._folder.url)
            return
        self._create(name, {})
        self._refuse_changed(before["fingerprints"], open_songs)
        raise ChangedRequestError(self._difference(before["fingerprints"], list(open_songs)))

    def write(self) -> None:
        """Write down the list of this try, before anything is sent.

        :raises RecordError: the store does not take it.
        """
        if self._before is None or self._before["fingerprints"] != self._now:
            # Where another copy of this try was first, it wrote the same, or its songs' records say what differs.
            self._create(f"list-{self._k + 1}.json", {"length": len(self._now), "fingerprints": self._now})

    def _refuse_changed(self, before: Sequence[str], open_songs: Mapping[int, Take]) -> None:
        """Write down of each song what differs, so that one clear takes the whole list as it is."""
        for index, take in open_songs.items():
            if index < len(self._now) and self._now[index] != before[index]:
                record = SongRecord(self._folder.url_of(f"song-{index}"))
                record.write(take, "changed", **self._attempt.metadata, fingerprint=self._now[index])

    def _difference(self, before: Sequence[str], open_songs: Sequence[int]) -> str:
        if self._of == "takes":
            return (
                f"takes was {len(before)} and is {len(self._now)} now, while {len(open_songs)} of the former songs are "
                f"paid or may be and not delivered yet, the first is song-{open_songs[0]}. Nothing was sent. Restore "
                f"takes={len(before)} and clear the task to get them; or clear the task as it is now to go on with "
                f"takes={len(self._now)}. Record: {self._folder.url}"
            )
        differs = next(
            (index for index, (one, other) in enumerate(zip(before, self._now, strict=False)) if one != other),
            min(len(before), len(self._now)),
        )
        where = f"requests[{differs}] is the first that differs"
        if differs == min(len(before), len(self._now)):
            where = f"requests[{differs}] is {'new' if len(self._now) > len(before) else 'gone'}"
        return (
            f"The list of requests has changed: it had {len(before)}, now it has {len(self._now)}; {where}, while "
            f"{len(open_songs)} of its songs are paid or may be and not delivered yet, the first is "
            f"requests[{open_songs[0]}]. Nothing was sent. A song is known by its place in the list. Restore the "
            "former list and clear the task to get them; or clear the task as it is now to go on with the new list. "
            f"Record: {self._folder.url}"
        )

    def _open_songs(self, length: int) -> dict[int, Take]:
        takes = (SongRecord(self._folder.url_of(f"song-{index}")).latest() for index in range(length))
        return {index: take for index, take in enumerate(takes) if take is not None and take.state in _OPEN}

    def _newest(self) -> tuple[int, dict[str, Any] | None]:
        k, newest = 0, None
        while (found := self._read(f"list-{k + 1}.json")) is not None:
            k, newest = k + 1, found
        return k, newest

    def _read(self, name: str) -> dict[str, Any] | None:
        url = self._folder.url_of(name)
        try:
            content = self._folder.read(name)
            found = json.loads(content) if content is not None else None
        except OSError as exc:
            raise RecordError(f"The record {url} cannot be read: {exc}. Nothing is sent until it can be.") from exc
        except (ValueError, RecursionError) as exc:
            raise RecordError(f"The record {url} is no JSON: cut short or edited. Nothing is sent.") from exc
        is_list = not name.endswith("-changed.json")
        if found is not None and not (
            isinstance(found, dict) and (not is_list or isinstance(found.get("fingerprints"), list))
        ):
            raise RecordError(f"The record {url} is no list of a batch. Nothing is sent.")
        return found

    def _create(self, name: str, values: dict[str, Any]) -> None:
        body = {"written_at": datetime.now(UTC).isoformat(), **self._attempt.metadata, **values}
        try:
            self._folder.create(name, (json.dumps(body) + "\n").encode())
        except OSError as exc:
            raise RecordError(f"The record {self._folder.url_of(name)} cannot be written: {exc}") from exc
