# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One try of one song, whether it has a task of its own or is one of a batch: decide, specify, land, deliver."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_music.api.parsing import seconds_of
from airflow_provider_music.api.rights import MISSING, rights_required
from airflow_provider_music.api.secrecy import masked
from airflow_provider_music.exceptions import InvalidRequestError, MusicError
from airflow_provider_music.generation import errors, runtime
from airflow_provider_music.generation.fetch import fetch
from airflow_provider_music.generation.folders import FolderOptions, SongFolders, is_mapped
from airflow_provider_music.generation.quality import UNMEASURED, QualityOptions, judge
from airflow_provider_music.generation.result import log_ready, mark_delivered, result_of
from airflow_provider_music.generation.spec import GenerationSpec
from airflow_provider_music.generation.usage_log import LoggedRequest, new_request_id
from airflow_provider_music.hooks.clients import client_of, settings_of
from airflow_provider_music.provenance.attach import ProvenanceOptions, attach_provenance, with_attached
from airflow_provider_music.provenance.disclosure import recorded_disclosure
from airflow_provider_music.record.policy import Attempt, Decision, decide
from airflow_provider_music.record.references import tracks_of, uploads_in
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.audio_writer import RequestedAudio
from airflow_provider_music.storage.sharing import executor_of
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.cost.budget import Budget
    from airflow_provider_music.exceptions import ChangedRequestError
    from airflow_provider_music.record.identity import TaskAttempt
    from airflow_provider_music.record.policy import OnUnknown
    from airflow_provider_music.record.take import Take


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """What a task says about each of its songs, its templates rendered; times in seconds.

    The parameters of :class:`~airflow_provider_music.operators.music.GenerateMusicOperator` of the same names.
    """

    conn_id: str
    folders: FolderOptions
    timeout: float
    poll_interval: float | None
    on_unknown: OnUnknown
    max_usd: Any
    on_unknown_price: Literal["refuse", "allow"]
    provenance: ProvenanceOptions
    deferrable: bool
    quality: QualityOptions = UNMEASURED
    wait_for_completion: bool = True
    keep_request: bool = False
    budget: str | None = None
    reuse_age: float | None = None
    rights: Any = None
    require_rights: bool = False

    @classmethod
    def of(cls, task: Any, context: Any) -> GenerationOptions:
        """Read them from an operator."""
        interval = task.poll_interval
        return cls(
            conn_id=task.conn_id,
            folders=FolderOptions(
                output_dir=task.output_dir,
                template=task.output_dir_template,
                is_mapped=is_mapped(task, context, "output_dir"),
                record_dir=task.record_dir,
                executor=executor_of(task),
            ),
            timeout=seconds_of(task.timeout),
            poll_interval=seconds_of(interval) if interval is not None else None,
            on_unknown=task.on_unknown,
            max_usd=task.max_usd,
            on_unknown_price=task.on_unknown_price,
            provenance=ProvenanceOptions.of(task),
            deferrable=task.deferrable,
            quality=QualityOptions.of(task),
            wait_for_completion=getattr(task, "wait_for_completion", True),
            keep_request=bool(getattr(task, "keep_request", False)),
            budget=getattr(task, "budget", None),
            reuse_age=seconds_of(task.reuse_age) if getattr(task, "reuse", None) else None,
            rights=getattr(task, "rights", None),
            require_rights=rights_required(getattr(task, "require_rights", False)),
        )


def budget_of(options: GenerationOptions) -> Budget | None:
    """Return what a task may spend, or None where it has no limit.

    :raises InvalidRequestError: ``max_usd`` is no amount.
    """
    if options.max_usd is None:
        return None
    # Only here: most tasks have no limit, and its import brings the catalogue.
    from airflow_provider_music.cost.budget import Budget

    return Budget.of(options)


class SongAttempt:
    """One try of one song.

    :param request: the request, checked.
    :param folders: where its facts and its audio lie.
    :param attempt: which try this is; of a batch's song, with its index.
    """

    def __init__(
        self, request: PreparedRequest, folders: SongFolders, options: GenerationOptions, attempt: TaskAttempt
    ) -> None:
        self.record = SongRecord(folders.record_url)
        self.request = request
        self._fingerprint: str | None = None
        self.folders = folders
        self.attempt = attempt
        self._options = options

    @classmethod
    def of_spec(cls, spec: GenerationSpec, options: GenerationOptions, attempt: TaskAttempt) -> SongAttempt:
        """Make it again from what an earlier half of the try planned, whatever a template would give now."""
        from airflow_provider_music.api.request import PreparedRequest

        lane: Any = spec.lane
        request = PreparedRequest(
            spec.model,
            lane,
            dict(spec.body),
            spec.audio_format,
            spec.sample_rate_hz,
            spec.usual_seconds,
            name=spec.name,
            rights=(spec.disclosure or {}).get("rights"),
        )
        song = cls(request, SongFolders(spec.record_url, spec.audio_url or spec.record_url), options, attempt)
        song._fingerprint = spec.fingerprint
        return song

    def decide(self, take: Take | None) -> Decision:
        """Decide what this try does, given the song's newest take."""
        attempt = self._policy_attempt
        if take is not None and "rejected" in take:
            attempt = replace(attempt, rejects=self._options.quality.rejects(take["rejected"].get("quality")))
        return decide(take, attempt)

    def spec(self, decision: Decision) -> GenerationSpec:
        """Return what the wait has to know; the deadline counts from now."""
        from airflow_provider_music.api.models import requested_ms

        options, request = self._options, self.request
        return GenerationSpec(
            conn_id=options.conn_id,
            record_url=self.folders.record_url,
            audio_url=self.folders.audio_url,
            key=self.attempt.identity.key,
            n=decision.n,
            lane=request.lane,
            body=request.body,
            fingerprint=self.fingerprint,
            audio_format=request.audio_format,
            sample_rate_hz=request.sample_rate_hz,
            usual_seconds=request.usual_seconds,
            deadline=runtime.now() + options.timeout,
            poll_interval=options.poll_interval,
            until_accepted=not options.wait_for_completion and request.lane == "queued",
            resubmission=decision.resubmission,
            request_id=new_request_id(self.attempt.identity.key, decision.n, self.fingerprint),
            references=uploads_in(self._tracks),
            requested_ms=requested_ms(request.body),
            name=request.name,
            disclosure=self.disclosure,
            **self.attempt.metadata,
        )

    @functools.cached_property
    def disclosure(self) -> dict[str, Any]:
        """What is recorded of this request for the song's disclosure sheet; blocks."""
        request = self.request
        rights = request.rights and masked(request.rights, settings_of(self.conn_id).api_key)
        return recorded_disclosure(request.body, rights, self._tracks)

    def lacks_rights(self, decision: Decision) -> bool:
        """Whether a request would be submitted for which the task has to give ``rights``, and does not."""
        return decision.step == "submit" and self._options.require_rights and self.request.rights is None

    def check_rights(self, decision: Decision) -> None:
        """Refuse to submit without them.

        :raises InvalidRequestError: they are missing; nothing was sent.
        """
        if self.lacks_rights(decision):
            raise InvalidRequestError(MISSING)

    @property
    def conn_id(self) -> str:
        """Airflow connection id."""
        return self._options.conn_id

    @property
    def keeps_words(self) -> bool:
        """Whether its words are to lie beside its audio."""
        return self._options.keep_request

    def with_record(self, record_url: str) -> SongAttempt:
        """Return the same song with its record elsewhere."""
        folders = replace(self.folders, record_url=record_url)
        song = SongAttempt(self.request, folders, self._options, self.attempt)
        song._fingerprint = self._fingerprint
        return song

    def with_fingerprint(self, fingerprint: str) -> SongAttempt:
        """Return the same song as one of another request, to compare it with what its record has."""
        song = SongAttempt(self.request, self.folders, self._options, self.attempt)
        song._fingerprint = fingerprint
        return song

    @property
    def fingerprint(self) -> str:
        """Of the request and whom it is sent to."""
        return self._policy_attempt.fingerprint

    def changed(self, take: Take) -> ChangedRequestError:
        """Write down that a changed request was refused, and make its error."""
        self.record.write(take, "changed", **self.attempt.metadata, fingerprint=self.fingerprint)
        return errors.changed(take)

    @functools.cached_property
    def _tracks(self) -> list[dict[str, Any]]:
        return tracks_of(self.request.body)

    @functools.cached_property
    def _policy_attempt(self) -> Attempt:
        # Only the first half of a task has a request: the catalogue's import is most of what this costs.
        from airflow_provider_music.api.request import fingerprint

        identity = self.attempt.identity
        print_ = self._fingerprint or fingerprint(
            self.request, self._options.conn_id, identity.deployment, identity.base_url
        )
        attempt = self.attempt
        return Attempt(
            attempt.try_number,
            attempt.max_tries,
            print_,
            self._options.on_unknown,
            attempt.run_started_at,
            attempt.clear_number,
            attempt.attempt_id,
            attempt.returned,
        )


async def land(record: SongRecord, take: Take, conn_id: str, attempt: TaskAttempt) -> Take:
    """Fetch an accepted song that is ready, and return its take, completed.

    :raises MusicError: it cannot be fetched; it is paid, and another try fetches it again.
    """
    if take.generation_id is None:
        raise MusicError(f"The record in {take.folder.url} holds no accepted song.")
    intent = take["intent"]
    requested = RequestedAudio.of(intent)
    logged = LoggedRequest.of(intent, take.generation_id)
    client = await client_of(conn_id)
    values = await fetch(
        client, take.generation_id, take.audio_folder, requested, before=take["accepted"], logged=logged
    )
    return await in_thread(
        lambda: record.write(take, "completed", **attempt.metadata, model=intent.get("model"), **values)
    )


def with_provenance(
    record: SongRecord,
    take: Take,
    attempt: TaskAttempt,
    how: ProvenanceOptions,
    quality: QualityOptions = UNMEASURED,
    *,
    song_index: int | None = None,
) -> dict[str, Any]:
    """Measure a take and attach its provenance; return its result, its audio described as the file is then.

    :raises QualityError: it breaks a limit, and ``quality`` says to fail.
    :raises OutputError: it cannot be measured, or its provenance not be written; a retry does, and submits nothing.
    """
    figures = judge(record, take, attempt, quality)
    folder, identity = take.audio_folder, attempt.identity
    if take.is_reused:
        folder, how = take.folder, how.beside_only()
    changed = attach_provenance(folder, take, identity, how, song_index=song_index, quality=figures)
    return with_attached(result_of(take), {**changed, **({"quality": figures} if figures else {})})


def deliver(
    record: SongRecord, take: Take, attempt: TaskAttempt, how: ProvenanceOptions, quality: QualityOptions = UNMEASURED
) -> dict[str, Any]:
    """Return a song's result, and write down that the task did. Errors as of :func:`with_provenance`."""
    result = with_provenance(record, take, attempt, how, quality)
    mark_delivered(record, take, attempt.metadata)
    log_ready(result)
    return result
