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
        delivered.json   the task returned the result
        song.mp3         the audio (or .wav, .pcm)

Nothing is ever rewritten, so what exists says where the song stands, and any process may read it.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, assert_never, get_args

from airflow_provider_music.exceptions import OutputError, RecordError
from airflow_provider_music.storage.folder import Folder, safe_name

if TYPE_CHECKING:
    from collections.abc import Mapping

Fact = Literal["intent", "accepted", "completed", "failed", "unknown", "changed", "delivered"]
FACTS: tuple[Fact, ...] = get_args(Fact)

#: Where a take stands. open: claimed, and nobody has said yet what came of it.
State = Literal["open", "accepted", "completed", "failed", "unknown", "delivered"]
#: The first fact that is there decides. An id in hand outranks "unknown"; "changed" says nothing of the take itself.
_PRECEDENCE: tuple[tuple[Fact, State], ...] = (
    ("delivered", "delivered"),
    ("completed", "completed"),
    ("failed", "failed"),
    ("accepted", "accepted"),
    ("unknown", "unknown"),
    ("intent", "open"),
)

#: What a take means for the bill. billed: the API accepted it. may_be_billed: its answer is lost, or not there yet.
Billing = Literal["not_billed", "billed", "may_be_billed"]

#: Version of the facts' layout. A newer one is refused: it may mean what this version cannot know.
SCHEMA = 1
_FACT_FILE = re.compile(r"take-([1-9][0-9]*)/(\w+)\.json")


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
    """Request number n of a task instance: the facts that exist about it, and where they come to.

    :param home: where its facts and its audio lie; None for one that was put together from elsewhere.
    :param submissions: how often its song was submitted: requests that may have left, since the last delivery.
    """

    n: int
    facts: Mapping[Fact, Mapping[str, Any]] = field(default_factory=dict)
    home: Folder | None = None
    submissions: int = 1
    state: State = field(init=False)
    #: The fact that decides it.
    decided_by: Fact = field(init=False)

    def __post_init__(self) -> None:
        fact, state = next(((fact, state) for fact, state in _PRECEDENCE if fact in self.facts), _PRECEDENCE[-1])
        object.__setattr__(self, "decided_by", fact)
        object.__setattr__(self, "state", state)

    def __contains__(self, fact: Fact) -> bool:
        return fact in self.facts

    def __getitem__(self, fact: Fact) -> Mapping[str, Any]:
        return self.facts[fact]

    @property
    def folder(self) -> Folder:
        """Where its facts and its audio lie."""
        if self.home is None:
            raise ValueError(f"take {self.n} was not read from a store")
        return self.home

    @property
    def generation_id(self) -> str | None:
        """The API's id, once it gave one."""
        return self.facts.get("accepted", {}).get("generation_id")

    @property
    def billing(self) -> Billing:
        """What it means for the bill; whoever counts or reports money asks here."""
        match self.state:
            case "failed":
                return "not_billed"
            case "accepted" | "completed" | "delivered":
                return "billed"
            case "unknown":
                return "billed" if self["unknown"].get("billed") else "may_be_billed"
            case "open":
                return "may_be_billed"
            case _:
                assert_never(self.state)

    @property
    def model(self) -> Any:
        """The model of the request, as it names it."""
        return self.facts.get("intent", {}).get("model")

    def fact_url(self, fact: Fact) -> str:
        """URL of one fact, plain JSON."""
        return self.folder.url_of(f"{fact}.json")

    def with_fact(self, fact: Fact, values: Mapping[str, Any]) -> Take:
        """Return the take with one fact more."""
        return replace(self, facts={**self.facts, fact: values})


class SongRecord:
    """Reads and writes the facts of one song.

    Its calls block; from an event loop they go through a thread. A reader lists the folder once and opens what is
    there: facts are never rewritten, so a :class:`Take` is passed on instead of being read again.

    :param folder: the song's folder, from :meth:`SongIdentity.folder` or its URL.
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

    def latest(self) -> Take | None:
        """Return the newest take, or None where nothing was ever submitted.

        :raises RecordError: a fact cannot be read; that is never taken for "not there".
        """
        return self._take(None)

    def read(self, n: int) -> Take | None:
        """Take n with all its facts, or None if it was never submitted. Errors as of :meth:`latest`."""
        return self._take(n)

    def refresh(self, take: Take) -> Take:
        """Return a take with the facts that came since it was read. Errors as of :meth:`latest`."""
        return self._take(take.n, take.facts) or take

    def claim(self, n: int, **values: Any) -> Take | None:
        """Begin take n: whoever writes its intent owns the POST; None where another process did.

        :raises RecordError: the store does not take it.
        """
        folder = self.take_folder(n)
        # Before the claim: whatever breaks after it leaves a claim behind that nobody sent.
        submissions = self._submissions(n, self._listed()) if n > 1 else 1
        intent = _create(folder, n, "intent", values)
        return Take(n, {"intent": intent}, folder, submissions) if intent is not None else None

    def write(self, take: Take, fact: Fact, **values: Any) -> Take:
        """Write a fact about a take and return the take with it, or with what another process wrote before.

        :raises RecordError: the store does not take it.
        """
        return self.write_first(take, fact, **values) or self.refresh(take)

    def write_first(self, take: Take, fact: Fact, **values: Any) -> Take | None:
        """Write a fact as :meth:`write` does; None where another process wrote it before."""
        body = _create(take.folder, take.n, fact, values)
        return take.with_fact(fact, body) if body is not None else None

    def withdraw(self, take: Take) -> None:
        """Take back a claim whose request never left.

        :raises OSError: the store does not take it; the claim stays.
        """
        take.folder.remove("intent.json")

    def _take(self, n: int | None, known: Mapping[Fact, Mapping[str, Any]] | None = None) -> Take | None:
        there = self._listed()
        if n is None:
            n = max(there, default=0)
        names = there.get(n)
        if not names:
            return None
        folder = self.take_folder(n)
        facts = dict(known or {})
        for fact in FACTS:
            if fact in names and fact not in facts and (found := _read(folder, fact)) is not None:
                facts[fact] = found
        if not facts:
            return None
        if "intent" not in facts:
            raise RecordError(
                f"The record in {folder.url} has {', '.join(facts)} but no intent; somebody deleted a part of it. "
                "Nothing is sent. Restore intent.json, or move the folder away to start over."
            )
        return Take(n, facts, folder, self._submissions(n, there))

    def _listed(self) -> dict[int, set[str]]:
        """Return the names of the facts that are there, by take; one listing."""
        try:
            names = self.folder.names()
        except NotADirectoryError as exc:
            raise OutputError(
                f"The output folder cannot be used: {exc}; nothing was sent. Give an output_dir that is a folder."
            ) from exc
        except OSError as exc:
            raise RecordError(
                f"The record {self.folder.url} cannot be listed: {exc}. Nothing is sent until it can be."
            ) from exc
        there: dict[int, set[str]] = {}
        for name in names:
            found = _FACT_FILE.fullmatch(name)
            if found is not None and found[2] in FACTS:
                there.setdefault(int(found[1]), set()).add(found[2])
        return there

    def _submissions(self, n: int, there: Mapping[int, set[str]]) -> int:
        """Count the requests of take n's song that may have left; take n itself counts whatever it says."""
        count = 1
        for k in range(n - 1, 0, -1):
            facts = there.get(k, set())
            if "delivered" in facts:
                break
            failed = _read(self.take_folder(k), "failed") if "failed" in facts else None
            count += failed is None or failed.get("sent") is not False
        return count


def _create(folder: Folder, n: int, fact: Fact, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write a fact; None where somebody wrote it before."""
    body = {"schema": SCHEMA, "fact": fact, "n": n, "written_at": datetime.now(UTC).isoformat(), **values}
    try:
        first = folder.create(f"{fact}.json", (json.dumps(body, indent=2) + "\n").encode())
    except OSError as exc:
        raise RecordError(f"The record {folder.url_of(fact)}.json cannot be written: {exc}") from exc
    return body if first else None


def _read(folder: Folder, fact: Fact) -> Mapping[str, Any] | None:
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
