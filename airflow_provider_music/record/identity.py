# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Whose a song is: the same in every try and on every machine of one Airflow, and another one for everybody else.

Where its record lies, the request's own id and its fingerprint are made from it. No folder's name is a part of it, so a
song is found again by its identity where its folder is lost or moved.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.configuration import conf

from airflow_provider_music.compat import AIRFLOW
from airflow_provider_music.storage.folder import Folder, safe_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_KEY_LENGTH = 24
_REALM_LENGTH = 10
_REGION_LENGTH = 8
#: Since then XComs belong to an attempt, and a cleared task is told of none that its former attempt returned.
_NO_KEYS_SINCE = (3, 4, 0)
#: What the processes of one Airflow agree on, and two Airflows rarely share. No secrets: they are rotated.
_SHARED_OPTIONS = (("api", "base_url"), ("core", "execution_api_server_url"))
_SHARED_OPTIONS_2 = (("webserver", "base_url"),)


@dataclass(frozen=True, slots=True)
class SongIdentity:
    """One song of one task instance.

    :param loop: iteration of a task loop (Airflow 3.4), where the task is in one.
    :param index: place in its batch, where it is one of a batch.
    :param deployment: name of this Airflow, see :func:`deployment_name`.
    :param base_url: of the API, which bills it.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    loop: str | None = None
    index: int | None = None
    deployment: str = ""
    base_url: str = ""

    @classmethod
    def of(cls, ti: Any) -> SongIdentity:
        """Read it from a task instance; not yet whose Airflow and which API, see :meth:`within`."""
        return cls(ti.dag_id, ti.run_id, ti.task_id, ti.map_index, _loop_of(ti))

    def within(self, deployment: str, base_url: str) -> SongIdentity:
        """Return it with the Airflow that runs the task and the API that is called."""
        return replace(self, deployment=deployment, base_url=base_url)

    def song(self, index: int) -> SongIdentity:
        """Return the identity of a batch's song, by its place in the list."""
        return replace(self, index=index)

    @property
    def name(self) -> str:
        """For people."""
        mapped = f"[{self.map_index}]" if self.map_index >= 0 else ""
        looped = f" loop {self.loop}" if self.loop is not None else ""
        return f"{self.dag_id} / {self.run_id} / {self.task_id}{mapped}{looped}"

    @property
    def key(self) -> str:
        """The whole identity as 24 hex digits: the part of the request's own id that every process makes alike."""
        facts = [
            *(self.deployment, self.base_url, self.dag_id, self.run_id, self.task_id),
            *(self.map_index, self.loop, self.index),
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:_KEY_LENGTH]

    @property
    def path(self) -> str:
        """Where its takes lie below the folder of all records, and its audio below that of all audio."""
        parts = [safe_name(part) for part in (self.dag_id, self.run_id, self.task_id)]
        if self.deployment or self.base_url:
            parts.insert(1, self.realm)
        if self.map_index >= 0:
            parts.append(str(self.map_index))
        if self.loop is not None:
            parts.append(safe_name(f"loop-{self.loop}"))
        if self.index is not None:
            parts.append(f"song-{self.index}")
        return "/".join(parts)

    @property
    def realm(self) -> str:
        """One name for this Airflow and this API: the first may be one of several in a bucket, the second changed."""
        both = hashlib.sha256(json.dumps([self.deployment, self.base_url]).encode()).hexdigest()[:_REALM_LENGTH]
        return f"{safe_name(conf.get('music', 'deployment', fallback='').strip() or 'airflow')}~{both}"

    def folder(self, root: str) -> Folder:
        """Where its takes lie below ``root``, or the songs of its batch."""
        return Folder(root) / self.path


def deployment_name() -> str:
    """Name of this Airflow: ``[music] deployment``, or what tells its settings from another Airflow's.

    Its own addresses, and on Airflow 2 the host and name of its database: no password, which may be another one
    tomorrow. Two Airflows that agree in all of these need ``[music] deployment``.
    """
    named: str = conf.get("music", "deployment", fallback="").strip()
    if named:
        return named
    from airflow import __version__ as version

    if not version.startswith("2."):
        return json.dumps([_option(*names) for names in _SHARED_OPTIONS])
    database = urlsplit(_option("database", "sql_alchemy_conn"))
    place = f"{database.netloc.rpartition('@')[2]}{database.path}"
    return json.dumps([*(_option(*names) for names in _SHARED_OPTIONS_2), place])


def _option(section: str, name: str) -> str:
    return str(conf.get(section, name, fallback="") or "")


def _loop_of(ti: Any) -> str | None:
    """Return what alone tells the iterations of a task loop apart."""
    region, index = getattr(ti, "region_id", None), getattr(ti, "region_index", None)
    # The nil UUID is what Airflow gives a task that is in no region.
    if region is None or str(region) == str(uuid.UUID(int=0)):
        return None
    return f"{hashlib.sha256(str(region).encode()).hexdigest()[:_REGION_LENGTH]}-{index}"


@dataclass(frozen=True, slots=True)
class TaskAttempt:
    """Which try of which task instance this is, as Airflow reports it.

    :param run_started_at: when the run began; another moment means that it was cleared, or that it is another run.
    :param clear_number: how often Airflow counts the run as cleared.
    :param attempt_id: Airflow's own id of this try (3.x).
    :param returned: whether Airflow holds what an earlier try returned (3.x); None where it does not say.
    :param rescheduled: whether Airflow began this very try before and put it off, as a retry policy may (3.4).
    """

    identity: SongIdentity
    try_number: int
    max_tries: int
    run_started_at: str | None = None
    clear_number: int | None = None
    attempt_id: str | None = None
    returned: bool | None = None
    rescheduled: bool = False

    @classmethod
    def of(cls, context: Any) -> TaskAttempt:
        """Read it from the context of the running task instance."""
        ti, run = context["ti"], context.get("dag_run")
        return cls(
            SongIdentity.of(ti),
            int(ti.try_number),
            int(ti.max_tries),
            _moment(getattr(run, "start_date", None)),
            getattr(run, "clear_number", None),
            str(ti.id) if getattr(ti, "id", None) else None,
            _returned_before(ti),
            bool(context.get("task_reschedule_count")),
        )

    def within(self, deployment: str, base_url: str) -> TaskAttempt:
        """Return it with the Airflow that runs the task and the API that is called."""
        return replace(self, identity=self.identity.within(deployment, base_url))

    @property
    def begun_tries(self) -> int:
        """How many tries began before now and may have sent something, this one too where it was rescheduled."""
        return self.try_number if self.rescheduled else self.try_number - 1

    def song(self, index: int) -> TaskAttempt:
        """Return it for one song of a batch."""
        return replace(self, identity=self.identity.song(index))

    @property
    def metadata(self) -> dict[str, Any]:
        """What every fact says about the try that wrote it."""
        return {
            "task": self.identity.name,
            "try_number": self.try_number,
            "max_tries": self.max_tries,
            "run_started_at": self.run_started_at,
            "clear_number": self.clear_number,
            "attempt_id": self.attempt_id,
        }


def is_of_try(fact: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Whether a fact was written by the try of this metadata; its run may have been cleared since, for another task."""
    return all(fact.get(name) == metadata.get(name) for name in ("task", "try_number", "max_tries"))


def _moment(value: datetime | None) -> str | None:
    if value is None:
        return None
    return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()


def _returned_before(ti: Any) -> bool | None:
    """Whether the try before this one returned a value to Airflow.

    A task is told at its start which XComs of its former try are to be cleared; a private name, so that its absence
    means nothing.
    """
    if AIRFLOW >= _NO_KEYS_SINCE:
        return None
    told = getattr(ti, "_ti_context_from_server", None)
    keys = getattr(told, "xcom_keys_to_clear", None)
    # A resumed task is told of none.
    if keys is None or getattr(told, "next_method", None) or not getattr(ti.task, "do_xcom_push", True):
        return None
    return "return_value" in keys
