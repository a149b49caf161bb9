# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One try of a task that has a reference track analysed for a cover: recorded and submitted as a song is.

Nobody says what the analysis costs, so it counts as paid: the same record, the same policy, one POST. Its result is
small, so the record holds it, and a later try returns it from there.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from airflow_provider_music.api.cover_reference import CoverReference
from airflow_provider_music.api.preprocess import VALID_HOURS, preprocess
from airflow_provider_music.api.request import PreparedRequest
from airflow_provider_music.api.validation import describe_problem
from airflow_provider_music.audio.inline import InlineTrack, read_inline
from airflow_provider_music.cost import metrics
from airflow_provider_music.exceptions import (
    GenerationTimeoutError,
    InvalidRequestError,
    MusicError,
    ResubmissionLostError,
    UnknownOutcomeError,
)
from airflow_provider_music.generation import errors
from airflow_provider_music.generation.attempt import GenerationOptions, SongAttempt
from airflow_provider_music.generation.earlier_tries import searched_again, searched_takes
from airflow_provider_music.generation.folders import FolderOptions, SongFolders
from airflow_provider_music.generation.result import mark_returned
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.state_machine import StateMachine
from airflow_provider_music.generation.submit import Submission
from airflow_provider_music.hooks.clients import settings_of
from airflow_provider_music.provenance.attach import NO_PROVENANCE
from airflow_provider_music.provenance.disclosure import host_of, words_hash
from airflow_provider_music.record.identity import deployment_name
from airflow_provider_music.record.references import remember

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.identity import TaskAttempt
    from airflow_provider_music.record.policy import Decision, OnUnknown
    from airflow_provider_music.record.store import SongRecord
    from airflow_provider_music.record.take import Take

log = logging.getLogger(__name__)

#: What the fact holds of the analysis, and the task returns.
_FEATURES = ("cover_feature_id", "formatted_lyrics", "structure_result", "audio_duration")


@dataclass(frozen=True, slots=True)
class PreprocessOptions:
    """What the task says beside its reference; the parameters of ``PreprocessCoverOperator`` of the same names.

    :param executor: what runs the task, see :func:`airflow_provider_music.storage.sharing.executor_of`.
    :param rights: under which licence or consent the track is used.
    :param require_rights: whether it may not be sent without.
    """

    conn_id: str
    record_dir: Any
    timeout: float
    on_unknown: OnUnknown
    executor: str | None
    rights: str | None = None
    require_rights: bool = False


@dataclass(frozen=True, slots=True)
class CoverTrack:
    """The reference: a URL that the API fetches, or a file that goes along in the request.

    :param url: http, https or a data URI, checked.
    :param file: where an inline track lies.
    """

    url: str | None
    inline: InlineTrack | None = None
    file: str | None = None

    def body(self) -> dict[str, Any]:
        """Return what is sent."""
        return {"model": CoverReference.id, "reference_audio_url": self.inline.data_uri() if self.inline else self.url}

    def named(self) -> dict[str, Any]:
        """Return the same with a file's hash in place of its bytes, for the fingerprint."""
        if self.inline is None:
            return self.body()
        return {"model": CoverReference.id, "file_sha256": self.inline.sha256}


def cover_track(file: Any, url: Any) -> CoverTrack:
    """Check the reference of a task, rendered; blocks while a file is read.

    :raises InvalidRequestError: there is none, there are two, or it is not what the API takes; nothing was sent.
    """
    if (file is None) == (url is None):
        given = "neither is given" if file is None else "both are given"
        raise InvalidRequestError(f"file and reference_audio_url: {given}; give one of them.", "The reference")
    if file is not None:
        return CoverTrack(None, read_inline(file), str(file))
    try:
        CoverReference.model_validate({"model": CoverReference.id, "reference_audio_url": str(url)})
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise InvalidRequestError(
            [describe_problem(CoverReference, CoverReference.id, one, {}) for one in problems], "The reference"
        ) from None
    return CoverTrack(str(url))


class CoverPreprocessing:
    """One try of the task.

    :param track: the reference.
    :param attempt: which try this is.
    """

    def __init__(self, track: CoverTrack, options: PreprocessOptions, attempt: TaskAttempt) -> None:
        self._track = track
        self._options = options
        self._attempt = attempt.within(deployment_name(), settings_of(options.conn_id).base_url)
        folders = FolderOptions(
            output_dir=None, template=None, is_mapped=False, record_dir=options.record_dir, executor=options.executor
        )
        self._song = SongAttempt(
            PreparedRequest(
                CoverReference.id,
                "synchronous",
                track.named(),
                None,
                None,
                CoverReference.usual_seconds,
                rights=options.rights,
            ),
            SongFolders.of(folders, self._attempt.identity),
            GenerationOptions(
                conn_id=options.conn_id,
                folders=folders,
                timeout=options.timeout,
                poll_interval=None,
                on_unknown=options.on_unknown,
                max_usd=None,
                on_unknown_price="refuse",
                provenance=NO_PROVENANCE,
                deferrable=False,
                require_rights=options.require_rights,
            ),
            self._attempt,
        )
        #: Where its record lies.
        self.record_url = self._song.folders.record_url

    def run(self) -> dict[str, Any]:
        """Continue from what the record says, and return the features."""
        song = self._song
        take = song.record.latest()
        if take is None and self._attempt.try_number > 1:
            take = searched_takes(self._options.conn_id, [song])[0]
        return self._decided(searched_again(self._options.conn_id, [song], [take])[0])

    def _decided(self, take: Take | None) -> dict[str, Any]:
        """Do what the policy says of the newest take."""
        song = self._song
        decision = song.decide(take)
        log.info("%s: %s. Record: %s", decision.step, decision.why, song.record.take_folder(decision.n).url)
        if take is not None:
            if decision.step == "deliver":
                return self._deliver(take)
            if decision.step == "refuse_unknown":
                raise self._unknown(take)
            if decision.step == "refuse_changed":
                raise song.changed(take)
            if decision.step == "refuse_ambiguous":
                raise errors.ambiguous(take)
        song.check_rights(decision)
        return self._submitted(decision)

    def _submitted(self, decision: Decision) -> dict[str, Any]:
        machine = _Machine(self._song.spec(decision), self._track)
        status, _ = run_sync(machine.run())
        take = self._song.record.read(machine.n)
        if status == "timeout" or take is None:
            raise self._timed_out(take)
        if status == "failed":
            raise errors.failed(take)
        # unknown: whether another request may be made is the policy's business.
        return self._decided(take) if status == "unknown" else self._deliver(take)

    def _deliver(self, take: Take) -> dict[str, Any]:
        done = take.facts.get("completed")
        if done is None:
            raise MusicError(f"The record in {take.folder.url} holds no analysis of a reference track.")
        self._remember(take, done)
        if marked := mark_returned(self._song.record, take, self._attempt.metadata):
            metrics.preprocessed(marked)
        expires_at = datetime.fromisoformat(str(done["written_at"])) + timedelta(hours=VALID_HOURS)
        log.info(
            "Reference analysed: %s s, %d characters of lyrics; cover_feature_id %s is good until %s",
            done.get("audio_duration"),
            len(done.get("formatted_lyrics") or ""),
            done.get("cover_feature_id"),
            expires_at.isoformat(timespec="seconds"),
        )
        return {
            **{name: done.get(name) for name in _FEATURES},
            "expires_at": expires_at.isoformat(),
            "sha256": self._track.inline.sha256 if self._track.inline else None,
            "usage": done.get("usage"),
            "submissions": take.submissions,
            "trace_id": done.get("trace_id"),
            "record_uri": take.fact_url("completed"),
        }

    def _remember(self, take: Take, done: Mapping[str, Any]) -> None:
        """Remember what is behind the id, for the disclosure sheets of the songs that are made with it."""
        track = self._track
        remember(
            (done.get("cover_feature_id"),),
            purpose="cover",
            file=track.file,
            sha256=track.inline.sha256 if track.inline else None,
            host=host_of(track.url) if track.url else None,
            rights=(take["intent"].get("disclosure") or {}).get("rights"),
            words_sha256=words_hash(str(done.get("formatted_lyrics") or "")),
        )

    def _unknown(self, take: Take) -> MusicError:
        fact = take["unknown"]
        reason = str(fact.get("reason")).rstrip(".")
        billed = "It is billed" if fact.get("billed") else "It may have been billed"
        head = (
            f"The answer to the analysis of the reference (take {take.n}) is lost: {reason}. {billed}, under "
            f"X-Client-Request-Id {take['intent'].get('client_request_id')} (see GET /v2/logs). "
        )
        if self._options.on_unknown == "resubmit":
            return ResubmissionLostError(f"{head}on_unknown='resubmit': the next try submits once more.")
        return UnknownOutcomeError(
            f"{head}Nothing is sent again by itself. To continue: clear this task to submit a new request, maybe a "
            f"second bill. Record: {take.folder.url}"
        )

    def _timed_out(self, take: Take | None) -> MusicError:
        waited = f"{self._options.timeout:g} s"
        if take is None or take.state == "failed":
            reason = f" {take['failed'].get('reason')}." if take is not None else ""
            return GenerationTimeoutError(
                f"Within {waited} the request could not be submitted, so nothing was sent.{reason} A retry submits it."
            )
        return GenerationTimeoutError(
            f"The response to the analysis of the reference (take {take.n}) did not come within {waited}. The process "
            f"that submitted it may still wait for it. A retry waits on. Record: {take.folder.url}"
        )


class _Machine(StateMachine):
    def __init__(self, spec: GenerationSpec, track: CoverTrack) -> None:
        super().__init__(spec, sees_record=True)
        self._track = track

    def _submission(self) -> Submission:
        return _PreprocessSubmission(self._spec, self._record, self._track)


class _PreprocessSubmission(Submission):
    """Sends the track; the spec has only its hash."""

    def __init__(self, spec: GenerationSpec, record: SongRecord, track: CoverTrack) -> None:
        super().__init__(spec, record)
        self._track = track

    async def _send(self, client: MusicClient, take: Take, request_id: str) -> Take:
        found = await client.send_paid(preprocess(self._track.body(), request_id, client.settings))
        return await self._write(
            take,
            "completed",
            kind="cover_features",
            usage=found.usage.as_dict(),
            trace_id=found.trace_id,
            **{name: getattr(found, name) for name in _FEATURES},
        )
