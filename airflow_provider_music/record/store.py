# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The record of one task's songs: small JSON facts beside the audio, each written once.

    <output_dir>/<dag>/<run>/<task>[/<map index>][/song-<index in its batch>]/take-<n>/
        intent.json      before the POST; whoever creates it owns the POST
        accepted.json    the API gave an id
        completed.json   the audio is in place and verified
        failed.json      the API said that it failed, or the request never left: nothing is owed
        unknown.json     the answer was lost and could not be found again
        changed.json     a changed request was refused while this one was open
        delivered.json   the task handed the result on
        song.mp3         the audio (or .wav, .pcm)

Nothing is ever rewritten, so what exists says where the song stands, and any process may read it.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_music.exceptions import OutputError, RecordError
from airflow_provider_music.storage.folder import Folder, safe_name

if TYPE_CHECKING:
    from collections.abc import Mapping

Fact = Literal["intent", "accepted", "completed", "failed", "unknown", "changed", "delivered"]
FACTS: tuple[Fact, ...] = get_args(Fact)

#: Version of the facts' layout. A newer one is refused: it may mean what this version cannot know.
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class SongIdentity:
    """Which task instance a song belongs to: the same in every try, on every machine."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @classmethod
    def of(cls, ti: Any) -> SongIdentity:
        """Read it from a task instance."""
        return cls(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)

    @property
    def name(self) -> str:
        """For people."""
        mapped = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_id} / {self.run_id} / {self.task_id}{mapped}"

    def folder(self, output_dir: str) -> Folder:
        """Where this task instance's takes lie, or the songs of its batch."""
        parts = [safe_name(part) for part in (self.dag_id, self.run_id, self.task_id)]
        mapped = [str(self.map_index)] if self.map_index >= 0 else []
        return Folder(output_dir) / "/".join([*parts, *mapped])


@dataclass(frozen=True, slots=True)
class Take:
    """Request number n of a task instance, and the facts that exist about it."""

    n: int
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __contains__(self, fact: Fact) -> bool:
        return fact in self.facts

    def __getitem__(self, fact: Fact) -> Mapping[str, Any]:
        return self.facts[fact]

    @property
    def generation_id(self) -> str | None:
        """The API's id, once it gave one."""
        return self.facts.get("accepted", {}).get("generation_id")


class SongRecord:
    """Reads and writes the facts of one task instance.

    Its calls block; from an event loop they go through a thread.

    :param folder: the task instance's folder, from :meth:`SongIdentity.folder` or its URL.
    """

    def __init__(self, folder: Folder | str) -> None:
        self._given = folder

    @functools.cached_property
    def folder(self) -> Folder:
        """Where its takes lie; made at the first use, since a wait makes its record in an event loop."""
        return Folder(self._given) if isinstance(self._given, str) else self._given

    def take_folder(self, n: int) -> Folder:
        """Where take n lies: its facts and its audio."""
        return self.folder / f"take-{n}"

    def fact_url(self, n: int, fact: Fact) -> str:
        """URL of one fact, plain JSON."""
        return self.take_folder(n).url_of(f"{fact}.json")

    def read(self, n: int) -> Take | None:
        """Take n with all its facts, or None if it was never asked for.

        :raises RecordError: a fact cannot be read; that is never taken for "not there".
        """
        folder = self.take_folder(n)
        facts: dict[str, Mapping[str, Any]] = {}
        for fact in FACTS:
            found = self._read_fact(folder, fact)
            if found is not None:
                facts[fact] = found
        if not facts:
            return None
        if "intent" not in facts:
            raise RecordError(
                f"The record in {folder.url} has {', '.join(facts)} but no intent; somebody deleted a part of it. "
                "Nothing is sent. Restore intent.json, or move the folder away to start over."
            )
        return Take(n, facts)

    def latest(self) -> Take | None:
        """Return the newest take, or None where nothing was ever asked for."""
        n = 0
        while self._read_fact(self.take_folder(n + 1), "intent") is not None:
            n += 1
        # One further, so that a take whose intent was deleted is an error and not an end.
        return self.read(n + 1) or (self.read(n) if n else None)

    def write(self, n: int, fact: Fact, **values: Any) -> bool:
        """Write a fact about take n; False where somebody wrote it before.

        :raises RecordError: the store does not take it.
        """
        body = {"schema": SCHEMA, "fact": fact, "n": n, "written_at": datetime.now(UTC).isoformat(), **values}
        folder = self.take_folder(n)
        try:
            return folder.create(f"{fact}.json", (json.dumps(body, indent=2) + "\n").encode())
        except OSError as exc:
            raise RecordError(f"The record {folder.url_of(fact)}.json cannot be written: {exc}") from exc

    def submissions(self, n: int) -> int:
        """How often the song of take n was asked for: requests that may have left, since the last delivery."""
        count = 0
        for k in range(n, 0, -1):
            folder = self.take_folder(k)
            if k < n and self._read_fact(folder, "delivered") is not None:
                break
            failed = self._read_fact(folder, "failed") if k < n else None
            count += failed is None or failed.get("sent") is not False
        return count

    def _read_fact(self, folder: Folder, fact: Fact) -> Mapping[str, Any] | None:
        url = folder.url_of(f"{fact}.json")
        try:
            content = folder.read(f"{fact}.json")
        except NotADirectoryError as exc:
            raise OutputError(
                f"The output folder cannot be used: {exc}; nothing was sent. Give an output_dir that is a folder."
            ) from exc
        except OSError as exc:
            raise RecordError(f"The record {url} cannot be read: {exc}. Nothing is sent until it can be.") from exc
        if content is None:
            return None
        try:
            body = json.loads(content)
        except ValueError as exc:
            raise RecordError(
                f"The record {url} is no JSON ({len(content)} bytes): cut short or edited. Nothing is sent. "
                "Mend the file, or move its folder away to start over."
            ) from exc
        if not isinstance(body, dict) or body.get("schema") != SCHEMA or body.get("fact") != fact:
            raise RecordError(
                f"The record {url} was not written by this version of the package (schema "
                f"{body.get('schema') if isinstance(body, dict) else None!r}, known: {SCHEMA}). "
                "Nothing is sent. Use the version that wrote it, or newer."
            )
        return body
