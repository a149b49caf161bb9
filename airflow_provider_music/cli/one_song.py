# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One song outside of Airflow, with a record in a local folder: submitted once, and resumed from the record."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.request import fingerprint
from airflow_provider_music.exceptions import RecordError
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.attempt import deliver, land
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.spec import GenerationSpec
from airflow_provider_music.generation.state_machine import StateMachine
from airflow_provider_music.generation.usage_log import new_request_id
from airflow_provider_music.provenance.attach import ProvenanceOptions
from airflow_provider_music.provenance.disclosure import recorded_disclosure
from airflow_provider_music.record.identity import SongIdentity, TaskAttempt
from airflow_provider_music.record.references import tracks_of
from airflow_provider_music.record.store import SongRecord

if TYPE_CHECKING:
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.generation.submit import Submission
    from airflow_provider_music.record.take import Take


class OneSong:
    """A song and its record.

    :param folder: of the record; new where there is a request.
    :param request: to submit; None goes on with what the record says, and never submits.
    """

    def __init__(self, folder: Path, conn_id: str, timeout: float, request: PreparedRequest | None) -> None:
        self.record = SongRecord(str(folder))
        self._conn_id = conn_id
        self._attempt = TaskAttempt(SongIdentity("music", folder.name, "try"), 1, 0)
        self._machine = StateMachine if request is not None else _Resumed
        self._spec = self._new(request, timeout) if request is not None else self._known(timeout)

    @property
    def request_id(self) -> str:
        """The request's own id."""
        return str(self._spec.request_id)

    def run(self) -> tuple[str, Take | None]:
        """Follow it to its end; return how that was, "ready" where the song is in storage, and the take."""
        machine = self._machine(self._spec, sees_record=True)
        status, _ = run_sync(machine.run())
        take = self.record.latest()
        if take is not None and status in ("ready", "completed"):
            if take.state == "accepted":
                take = run_sync(land(self.record, take, self._conn_id, self._attempt))
            return "ready", take
        return status, take

    def delivered(self) -> tuple[dict[str, Any], Path]:
        """Return what a task would return of it, and the file; writes its provenance beside it."""
        take = self.record.latest()
        if take is None:
            raise RecordError(f"There is no record in {self.record.folder.url}.")
        result = deliver(self.record, take, self._attempt, ProvenanceOptions())
        return result, Path(str(result["audio_uri"]).removeprefix("file://"))

    def _new(self, request: PreparedRequest, timeout: float) -> GenerationSpec:
        hashed, key = fingerprint(request, self._conn_id), uuid.uuid4().hex[:24]
        return GenerationSpec(
            conn_id=self._conn_id,
            record_url=self.record.folder.url,
            n=1,
            lane=request.lane,
            body=request.body,
            fingerprint=hashed,
            audio_format=request.audio_format,
            sample_rate_hz=request.sample_rate_hz,
            usual_seconds=request.usual_seconds,
            deadline=runtime.now() + timeout,
            poll_interval=None,
            key=key,
            request_id=new_request_id(key, 1, hashed),
            name=request.name,
            disclosure=recorded_disclosure(request.body, request.rights, tracks_of(request.body)),
            **self._attempt.metadata,
        )

    def _known(self, timeout: float) -> GenerationSpec:
        from airflow_provider_music.api.models import usual_seconds

        take = self.record.latest()
        if take is None:
            raise RecordError(f"There is no record in {self.record.folder.url}: give the folder that `try` named.")
        intent = take["intent"]
        return GenerationSpec(
            conn_id=self._conn_id,
            record_url=self.record.folder.url,
            n=take.n,
            lane=str(intent.get("lane")),
            body={"model": take.model},
            fingerprint=str(intent.get("fingerprint")),
            audio_format=intent.get("audio_format"),
            sample_rate_hz=intent.get("sample_rate_hz"),
            usual_seconds=usual_seconds(take.model),
            deadline=runtime.now() + timeout,
            poll_interval=None,
            key=str(intent.get("identity") or ""),
            request_id=intent.get("client_request_id"),
            **self._attempt.metadata,
        )


class _Resumed(StateMachine):
    """Follows a take to its end. It does not know the request's words, so it submits nothing."""

    async def _next_take(self, take: Take) -> bool:
        del take
        return False

    def _submission(self) -> Submission:
        raise RecordError("The record's claim was withdrawn: nothing was sent. Generate the song anew.")
