# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Several songs of one request, of which the task delivers the best: a batch of equal requests with one result.

Each song has a record of its own, as in a batch, so each is paid once and resumed by itself. Which is delivered is
written down with the delivery (``chosen``), and a later try keeps to it. Where an earlier try came to its verdict,
delivered one or rejected all, only a clear submits anything.
"""

from __future__ import annotations

import collections
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_music.audio.quality_limits import broken_limits, distance
from airflow_provider_music.exceptions import (
    ChangedRequestError,
    InvalidRequestError,
    MusicError,
    QualityError,
)
from airflow_provider_music.generation import batch_manifest, errors
from airflow_provider_music.generation.batch import BatchOptions, GenerationBatch, skipped, what_broke
from airflow_provider_music.generation.batch_list import as_it_is, left_beside
from airflow_provider_music.generation.result import log_ready, mark_delivered, result_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.generation.attempt import GenerationOptions, SongAttempt
    from airflow_provider_music.generation.batch_list import Lists
    from airflow_provider_music.generation.batch_manifest import SongOutcome
    from airflow_provider_music.record.identity import TaskAttempt
    from airflow_provider_music.record.policy import Decision
    from airflow_provider_music.record.take import Take
    from airflow_provider_music.record.task_memory import TaskMemory

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the songs in storage.

    :param take: as its record has it now.
    :param broken: the limits that it breaks, in words.
    :param distance: see :func:`airflow_provider_music.audio.quality_limits.distance`.
    """

    outcome: SongOutcome
    take: Take
    broken: list[str]
    distance: tuple[float, float]

    @property
    def done(self) -> Mapping[str, Any]:
        """Where its audio lies, and what the API said of it."""
        return self.take["completed"]

    @property
    def order(self) -> tuple[tuple[float, float], int]:
        """The best comes first; of equals the one that stands first."""
        return self.distance, self.outcome.index


class GenerationTakes(GenerationBatch):
    """One try of a task that delivers the best of several takes of one request.

    :param request: as :func:`~airflow_provider_music.api.request.prepare_one` takes it; None in a second half whose
        first half alone knew it.
    :param count: how many are wanted.

    The others are those of :class:`~airflow_provider_music.generation.task.GenerationTask`.
    """

    lists: ClassVar[Lists] = "takes"

    def __init__(
        self,
        options: GenerationOptions,
        request: Any,
        count: int,
        attempt: TaskAttempt,
        memory: TaskMemory | None = None,
    ) -> None:
        options = replace(options, quality=options.quality.to_compare())
        # An account that pays for two of three gives the best of two.
        batch = BatchOptions(count, "keep", fail_fast=False, check_balance=False)
        super().__init__(options, batch, request, attempt, memory)
        self._count = count
        #: The songs of another number of takes, which count for the budget.
        self._beside: tuple[list[SongAttempt], list[Decision]] = ([], [])

    def _prepared(self) -> list[PreparedRequest]:
        from airflow_provider_music.api.plain import seed_problem
        from airflow_provider_music.api.request import prepare_one

        request = prepare_one(self._given, self._options.rights)
        if request.body.get("seed") is not None:
            raise InvalidRequestError(seed_problem(self._count))
        return [request] * self._count

    def _check_former(self, single: SongAttempt) -> None:
        """Refuse once what a task of one song left open before ``takes`` was edited."""
        take = single.record.latest()
        if self._options.max_usd is not None and (take is not None or single.record.has_list):
            former, left = left_beside(single, self._count)
            self._beside = ([*former, single], [*left, as_it_is(take)]) if take is not None else (former, left)
        if take is None:
            return
        several = single.with_fingerprint(f"{single.fingerprint}, takes={self._count}")
        step = several.decide(take).step
        if step == "refuse_unknown":
            raise errors.unknown(take, self._options.on_unknown)
        if step == "refuse_ambiguous":
            raise errors.ambiguous(take)
        if step != "submit":
            several.changed(take)
            what = f"generation {take.generation_id}" if take.generation_id else f"take {take.n}"
            raise ChangedRequestError(
                f"takes was 1 and is {self._count} now, while {what} is paid or may be and this try would return it. "
                "Nothing was sent. Restore takes=1 and clear the task to get it; or clear the task as it is now to "
                f"submit {self._count} new requests. Record: {take.folder.url}"
            )

    def _decisions(self, takes: Sequence[Take | None]) -> list[Decision]:
        decisions = super()._decisions(takes)
        kept = [take for take, one in zip(takes, decisions, strict=True) if take is not None and one.step == "deliver"]
        delivered, rejected = (any(fact in take for take in kept) for fact in ("delivered", "rejected"))
        if not delivered and not rejected:
            return decisions
        # Of a verdict that stands: what failed or was lost beside it is not submitted anew.
        return [
            skipped(one) if one.step == "submit" and (delivered or take is not None) else one
            for take, one in zip(takes, decisions, strict=True)
        ]

    def _refusal(self, decisions: Sequence[Decision]) -> MusicError | None:
        songs, left = self._beside
        return self._spending.refusal([*self._songs, *songs], [*decisions, *left])

    def _changed(self, takes: Sequence[Take | None], decisions: Sequence[Decision]) -> ChangedRequestError:
        refused = [
            song.changed(take)
            for song, take, decision in zip(self._songs, takes, decisions, strict=True)
            if decision.step == "refuse_changed" and take is not None
        ]
        return refused[0]

    def _finish(self, event: Mapping[str, Any], refusal: MusicError | None = None) -> dict[str, Any]:
        """Land what is done, compare it, and return the best; or raise why there is none."""
        outcomes = self._settled()
        ranked = sorted(map(self._candidate, _in_storage(outcomes)), key=lambda one: one.order)
        # A song that the task returned before is the one that it returns again.
        chosen = next((one for one in ranked if one.take.facts.get("delivered", {}).get("chosen")), None)
        under_way = any(one.status == "pending" or (one.status == "not_submitted" and not refusal) for one in outcomes)
        if chosen is None and not under_way:
            chosen = next((one for one in ranked if one.outcome.status == "completed"), None)
        manifest_uri = batch_manifest.write_manifest(
            self._folder, self._attempt.try_number, _described(outcomes, ranked, chosen)
        )
        if chosen is not None:
            return self._deliver(chosen, ranked, outcomes, manifest_uri, refusal)
        if ranked and not under_way:
            raise self._none_passes(ranked, outcomes, manifest_uri)
        lost = batch_manifest.missing(outcomes, manifest_uri, what_broke(event), of="takes")
        if under_way or refusal is None:
            raise lost
        refusal.args = (f"{refusal}\n{lost}",)
        raise refusal

    def _candidate(self, outcome: SongOutcome) -> Candidate:
        take, quality = self._takes[outcome.index], self._options.quality
        if outcome.status == "rejected":
            # The fact was written when it was judged.
            take = self._songs[outcome.index].record.refresh(take)
        figures = (outcome.fields.get("audio") or take.facts.get("rejected") or {}).get("quality") or {}
        return Candidate(outcome, take, broken_limits(figures, quality.limits), distance(figures, quality.limits))

    def _deliver(
        self,
        chosen: Candidate,
        ranked: Sequence[Candidate],
        outcomes: Sequence[SongOutcome],
        manifest_uri: str,
        refusal: MusicError | None,
    ) -> dict[str, Any]:
        others = [one for one in ranked if one is not chosen]
        _warn(chosen, others, outcomes, refusal)
        # The chosen one first: should this process end in between, a later try keeps to it.
        for one in (chosen, *others):
            record = self._songs[one.outcome.index].record
            mark_delivered(record, one.take, self._attempt.metadata, chosen=one is chosen)
        self.delivered = [(dict(chosen.outcome.fields), chosen.take)]
        takes = [self._takes[index] for index in sorted(self._takes)]
        result = {
            **chosen.outcome.fields,
            "usage": {key: _sum(takes, key) for key in ("credits_used", "usd_spent")},
            "submissions": sum(take.submissions - _never_left(take) for take in takes),
            "takes": {
                "requested": len(outcomes),
                "completed": len(ranked),
                "passed": sum(not one.broken for one in ranked),
                "chosen": chosen.outcome.index,
                "others": {str(one.outcome.index): one.done.get("generation_id") for one in others},
                "manifest_uri": manifest_uri,
            },
        }
        log.info("Delivering song-%d, the best of %d: %s", chosen.outcome.index, len(ranked), _verdict(chosen))
        log_ready(result)
        return result

    def _none_passes(
        self, ranked: Sequence[Candidate], outcomes: Sequence[SongOutcome], manifest_uri: str
    ) -> QualityError:
        best = ranked[0]
        counts = collections.Counter(one.status for one in outcomes if one.status != "rejected")
        more = "".join(f", {count} {status.replace('_', ' ')}" for status, count in sorted(counts.items()))
        return QualityError(
            f"None of {len(ranked)} songs keeps its limits of quality ({len(ranked)} rejected{more}). The nearest is "
            f"song-{best.outcome.index}, {best.done.get('audio_uri')}: {'; '.join(best.broken)}. All are "
            "paid and stay where they are; nothing is submitted again by itself. To continue: clear the task with "
            "quality='warn', or with wider quality_limits, which delivers the best of these and submits nothing; or "
            f"clear it as it is, which submits {len(outcomes)} new requests (a bill each). Manifest: {manifest_uri}"
        )


def _in_storage(outcomes: Iterable[SongOutcome]) -> list[SongOutcome]:
    return [one for one in outcomes if one.status in ("completed", "rejected")]


def _described(
    outcomes: Sequence[SongOutcome], ranked: Sequence[Candidate], chosen: Candidate | None
) -> list[SongOutcome]:
    """Return the outcomes as the manifest has them: where each song lies, what it breaks, and which was chosen."""
    found = {one.outcome.index: one for one in ranked}

    def described(outcome: SongOutcome) -> SongOutcome:
        one = found.get(outcome.index)
        if one is None:
            return outcome
        fields = outcome.fields if outcome.status == "completed" else {**result_of(one.take), **outcome.fields}
        return replace(outcome, fields={**fields, "broken": one.broken, "chosen": one is chosen})

    return [described(outcome) for outcome in outcomes]


def _warn(
    chosen: Candidate,
    others: Sequence[Candidate],
    outcomes: Sequence[SongOutcome],
    refusal: MusicError | None,
) -> None:
    """Say what did not go as wanted though a song is delivered."""
    for outcome in outcomes:
        if outcome.status not in ("completed", "rejected"):
            why = outcome.fields.get("message") or "nothing was sent"
            log.warning("song-%d %s: %s", outcome.index, outcome.status.replace("_", " "), why)
    if refusal is not None:
        log.warning("Delivering the best of the songs that were paid before: %s", refusal)
    hashes = collections.Counter((one.done.get("audio") or {}).get("sha256") for one in (chosen, *others))
    if any(count > 1 for count in hashes.values()):
        log.warning("The API made the same file more than once, and bills each; nothing can be chosen from these")
    for one in others:
        log.info("Kept: song-%d, %s", one.outcome.index, _verdict(one))


def _verdict(one: Candidate) -> str:
    return f"breaks {len(one.broken)}: {'; '.join(one.broken)}" if one.broken else "it keeps its limits"


def _never_left(take: Take) -> bool:
    """Whether its newest request is known not to have left; it is counted all the same."""
    return take.state == "failed" and take["failed"].get("sent") is False


def _sum(takes: Iterable[Take], key: str) -> Any:
    """Sum what the takes cost, or None where the API said it of none."""
    facts = (take.facts.get("completed") or take.facts.get("unknown") or {} for take in takes)
    known = [cost for fact in facts if (cost := (fact.get("usage") or fact).get(key)) is not None]
    return round(sum(known), 6) if known else None
