# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The record of one task's songs: small JSON facts beside the audio, each written once.

    <record folder>/<dag>/<this Airflow and API>/<run>/<task>[/<map index>][/song-<index in its batch>]/take-<n>/
        intent.json      before the POST; whoever creates it owns the POST, and nobody else may send it
        sent.json        just before the POST by its owner, or "abandoned" by whoever found the owner gone before that
        accepted.json    the API gave an id
        completed.json   the audio is in place and verified
        failed.json      the API said that it failed, or the request never left: nothing is owed
        unknown.json     the answer was lost and could not be found again
        changed.json     a changed request was refused while this one was open
        rejected.json    the audio broke a limit of quality="fail", and was not delivered
        delivered.json   the task returned the result
        song.mp3         the audio (or .wav, .pcm), where it lies in the same folder; the intent says where it lies

Nothing is ever rewritten, so what exists says where the song stands, and any process may read it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import bounded_json
from airflow_provider_music.exceptions import OutputError, RecordError, UnsafeStoreError
from airflow_provider_music.record.exclusive import prove_exclusive_by
from airflow_provider_music.record.take import FACTS, Fact, Take
from airflow_provider_music.storage.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Version of the facts' layout. A newer one is refused: it may mean what this version cannot know.
SCHEMA = 1
_MAX_FACT_BYTES = 2**20
_FACT_FILE = re.compile(r"take-([1-9][0-9]*)/(\w+)\.json")
_RETURNED_FILE = re.compile(r"take-([1-9][0-9]*)/returned-by-try-([1-9][0-9]*)\.json")
#: After one of these, whether the request left is no question any more; the fact is not opened.
_AFTER_SENT: tuple[Fact, ...] = ("accepted", "completed", "failed", "unknown", "delivered")
#: The first list of a batch, which is written before any of its songs is submitted.
FIRST_LIST = "list-1.json"


class SongRecord:
    """Reads and writes the facts of one song.

    Its calls block; from an event loop they go through a thread. A reader lists the folder once and opens what is
    there: facts are never rewritten, so a :class:`Take` is passed on instead of being read again.

    :param folder: the song's folder, from :meth:`.identity.SongIdentity.folder` or its URL.
    """

    def __init__(self, folder: Folder | str) -> None:
        self._given = folder
        #: Whether several songs were begun in its folder, by the last reading: the list of a batch lies there.
        self.has_list = False

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
        :raises OutputError: the store lets two processes create the same object, so it cannot hold a claim.
        """
        folder = self.take_folder(n)
        # Before the claim: whatever breaks after it leaves a claim behind that nobody sent.
        submissions = self._submissions(n, self._listed()) if n > 1 else 1
        audio = _audio_home(values, folder)
        intent = _create(folder, n, "intent", values)
        if intent is None:
            return None
        take = Take(n, {"intent": intent}, folder, submissions, audio)
        self._prove_exclusive_by(take)
        return take

    def _prove_exclusive_by(self, take: Take) -> None:
        """Have a claim prove the store, where this process has not seen it refuse a second creation yet."""
        try:
            prove_exclusive_by(take.folder, "intent.json", _content(take["intent"]))
        except (RecordError, UnsafeStoreError):
            # Nobody sends it. One that stays is found without sent.json, as abandoned.
            with contextlib.suppress(OSError):
                _remove_claim(take)
            raise

    def adopt(self, n: int, facts: Mapping[Fact, Mapping[str, Any]]) -> Take:
        """Write the facts of a take that this record does not have, and return it.

        :param facts: of take n, as another process wrote or carried them, or made from what the API says.
        """
        folder = self.take_folder(n)
        for fact in FACTS:
            if fact in facts:
                _create(folder, n, fact, facts[fact])
        return self._take(n) or Take(n, facts, folder)

    def leave_marker(self) -> str:
        """Leave a file that a process sees only where it sees this very folder; return its name.

        :raises OutputError: the store does not take it.
        """
        name = f"deferred-{uuid.uuid4().hex[:12]}.json"
        try:
            self.folder.create(name, b"{}\n")
        except OSError as exc:
            raise not_writable(f"{self.folder.url_of(name)}: {exc}") from exc
        return name

    def sees(self, marker: str) -> bool:
        """Whether a marker that another process left is here.

        :raises RecordError: the store does not answer.
        """
        try:
            return self.folder.read(marker) is not None
        except OSError as exc:
            raise RecordError(f"{self.folder.url_of(marker)} cannot be read: {exc}. Nothing was sent.") from exc

    def remove_marker(self, marker: str) -> None:
        """Remove it; one that stays does no harm."""
        with contextlib.suppress(OSError):
            self.folder.remove(marker)

    def write(self, take: Take, fact: Fact, **values: Any) -> Take:
        """Write a fact about a take and return the take with it, or with what another process wrote before.

        :raises RecordError: the store does not take it.
        """
        return self.write_first(take, fact, **values) or self.refresh(take)

    def write_first(self, take: Take, fact: Fact, **values: Any) -> Take | None:
        """Write a fact as :meth:`write` does; None where another process wrote it before."""
        body = _create(take.folder, take.n, fact, values)
        return take.with_fact(fact, body) if body is not None else None

    def returned_again(self, take: Take, try_number: int) -> None:
        """Write down that a later try returned a delivered take again: so that a clear can tell what it follows."""
        with contextlib.suppress(OSError):
            take.folder.create(f"returned-by-try-{try_number}.json", b"{}\n")

    def withdraw(self, take: Take) -> None:
        """Take back a claim whose request never left.

        :raises OSError: the store does not take it; the claim stays.
        """
        with contextlib.suppress(OutputError):
            self.begin(int(take["intent"].get("try_number") or 0))
        _remove_claim(take)

    def begin(self, try_number: int) -> None:
        """Note that a try is about to claim take 1 here: without that claim it has sent nothing.

        :raises OutputError: the store does not take it.
        """
        folder, name = self.take_folder(1), _began(try_number)
        try:
            folder.create(name, b"{}\n")
        except OSError as exc:
            raise not_writable(f"{folder.url_of(name)}: {exc}") from exc

    def sent_nothing_before(self, try_number: int) -> bool:
        """Whether every earlier try began here; without a take they sent nothing, and nobody has to search for it."""
        names = (_began(earlier) for earlier in range(1, try_number))
        try:
            return all(self.take_folder(1).read(name) is not None for name in names)
        except OSError:
            return False

    def _take(self, n: int | None, known: Mapping[Fact, Mapping[str, Any]] | None = None) -> Take | None:
        listed = self._names()
        there = _facts_in(listed)
        if n is None:
            n = max(there, default=0)
        names = there.get(n)
        if not names:
            return None
        folder = self.take_folder(n)
        facts = dict(known or {})
        if not names.isdisjoint(_AFTER_SENT):
            names = names - {"sent"}
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
        audio, again = _audio_home(facts["intent"], folder), _last_returned(listed, n)
        return Take(n, facts, folder, self._submissions(n, there), audio, again)

    def _listed(self) -> dict[int, set[str]]:
        """Return the names of the facts that are there, by take; one listing."""
        return _facts_in(self._names())

    def _names(self) -> set[str]:
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
        self.has_list = FIRST_LIST in names
        return names

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


def fact_body(fact: Fact, n: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fact as it is written: what it says, and what every fact says of itself."""
    return {"schema": SCHEMA, "fact": fact, "n": n, "written_at": datetime.now(UTC).isoformat(), **values}


def _remove_claim(take: Take) -> None:
    # It may be there although the store said that it is not; without an intent it would make no sense.
    take.folder.remove("sent.json")
    take.folder.remove("intent.json")


def _facts_in(names: Iterable[str]) -> dict[int, set[str]]:
    there: dict[int, set[str]] = {}
    for name in names:
        found = _FACT_FILE.fullmatch(name)
        if found is not None and found[2] in FACTS:
            there.setdefault(int(found[1]), set()).add(found[2])
    return there


def _last_returned(names: Iterable[str], n: int) -> int:
    found = (_RETURNED_FILE.fullmatch(name) for name in names)
    return max((int(one[2]) for one in found if one is not None and int(one[1]) == n), default=0)


def _audio_home(intent: Mapping[str, Any], folder: Folder) -> Folder | None:
    """Return where a take's audio lies, where that is another folder than that of its facts."""
    url = intent.get("audio_url")
    return Folder(url) if url and url != folder.url else None


def _began(try_number: int) -> str:
    return f"try-{try_number}-began.json"


def not_writable(why: object) -> OutputError:
    """Make the error of a folder that does not take the facts that have to be there before a request."""
    return OutputError(
        f"The output folder cannot be written, so nothing was sent: {why}. "
        "Give an output_dir that workers and triggerer can write."
    )


def _create(folder: Folder, n: int, fact: Fact, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write a fact; None where somebody wrote it before."""
    body = fact_body(fact, n, values)
    try:
        first = folder.create(f"{fact}.json", _content(body))
    except OSError as exc:
        raise RecordError(f"The record {folder.url_of(fact)}.json cannot be written: {exc}") from exc
    return body if first else None


def _content(body: Mapping[str, Any]) -> bytes:
    return (json.dumps(body, indent=2) + "\n").encode()


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
    if len(content) > _MAX_FACT_BYTES:
        raise RecordError(
            f"The record {url} has {len(content)} bytes, and no fact has more than {_MAX_FACT_BYTES}: it was edited. "
            "Nothing is sent. Mend the file, or move its folder away to start over."
        )
    try:
        body = bounded_json(content)
    except ValueError as exc:
        raise RecordError(
            f"The record {url} is no JSON of a fact ({len(content)} bytes): cut short or edited ({exc}). Nothing is "
            "sent. Mend the file, or move its folder away to start over."
        ) from exc
    if not isinstance(body, dict) or body.get("schema") != SCHEMA or body.get("fact") != fact:
        raise RecordError(
            f"The record {url} was not written by this version of the package (schema "
            f"{body.get('schema') if isinstance(body, dict) else None!r}, known: {SCHEMA}). "
            "Nothing is sent. Use the version that wrote it, or newer."
        )
    return body
