# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Airflow's metrics of songs and what they cost. Counting never fails a task.

``music.generations`` (counter; tags ``model``, ``status``), ``music.submissions`` (counter of paid requests; tag
``model``), ``music.usd_spent`` (counter in US dollars, with a fraction; tag ``model``), ``music.wait_seconds``
(timing, from the request to the song in storage; tag ``model``), ``music.quality_failed`` (counter of songs that break
a limit of ``quality``; tag ``model``).

Every take is counted once at most: only by the try that wrote its last fact first.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_music.cost.pricing import usd_of
from airflow_provider_music.record.identity import is_of_try

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.take import Take

log = logging.getLogger(__name__)

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_NAME = 80


def delivered(take: Take) -> None:
    """Count a take that this try was the first to mark delivered."""
    try:
        if "rejected" in take:
            # Counted then, with what it cost.
            return
        model = take["intent"].get("model")
        if take.is_reused:
            _count("music.generations", model, status="reused")
            return
        _count("music.submissions", model)
        done = take.facts.get("completed")
        if done is None:
            # Accepted only: its outcome is counted by the task that waits for it.
            return
        _count("music.generations", model, status="not_chosen" if take.not_chosen else "completed")
        _spent(done.get("usage") or {}, model)
        waited = _written(done) - _written(take["intent"])
        _stats().timing("music.wait_seconds", max(waited, timedelta()), tags=_tags(model))
    except Exception:
        log.warning("The song's metrics were not sent", exc_info=True)


def rejected(take: Take) -> None:
    """Count a take that this try was the first to reject for its quality: paid, and not delivered."""
    try:
        model = take["intent"].get("model")
        _count("music.submissions", model)
        _count("music.generations", model, status="rejected")
        _spent(take["completed"].get("usage") or {}, model)
    except Exception:
        log.warning("The song's metrics were not sent", exc_info=True)


def quality_failed(model: object) -> None:
    """Count a song that breaks a limit, by the try that measured it."""
    try:
        _count("music.quality_failed", model)
    except Exception:
        log.warning("The song's metrics were not sent", exc_info=True)


def preprocessed(take: Take) -> None:
    """Count the request for a cover's features: no song, but maybe money."""
    try:
        model = take["intent"].get("model")
        _count("music.submissions", model)
        _spent(take["completed"].get("usage") or {}, model)
    except Exception:
        log.warning("The request's metrics were not sent", exc_info=True)


def landed(model: object, usage: Mapping[str, Any] | None) -> None:
    """Count a song that a sensor landed first; the task that submitted it counts the request."""
    try:
        _count("music.generations", model, status="completed")
        _spent(usage or {}, model)
    except Exception:
        log.warning("The song's metrics were not sent", exc_info=True)


def without_song(take: Take | None, status: Literal["failed", "unknown"], attempt: Mapping[str, Any]) -> None:
    """Count a take that came to no song, if that was in this try.

    :param attempt: metadata of this try, as its facts hold it.
    """
    try:
        fact = take.facts.get(status) if take is not None else None
        if take is None or fact is None or not is_of_try(fact, attempt):
            return
        model = take["intent"].get("model")
        if fact.get("sent") is not False:
            _count("music.submissions", model)
        _count("music.generations", model, status=status)
        _spent(fact, model)
    except Exception:
        log.warning("The song's metrics were not sent", exc_info=True)


def timed_out(model: object) -> None:
    """Count a try that ended before its song was there; a later one may still deliver it."""
    try:
        _count("music.generations", model, status="timeout")
    except Exception:
        log.warning("The song's metrics were not sent", exc_info=True)


def _spent(usage: Mapping[str, Any], model: object) -> None:
    usd = usd_of(usage)
    if usd:
        _stats().incr("music.usd_spent", float(usd), tags=_tags(model))


def _count(name: str, model: object, **tags: str) -> None:
    _stats().incr(name, tags={**_tags(model), **tags})


def _tags(model: object) -> dict[str, str]:
    return {"model": _NOT_IN_A_NAME.sub("_", str(model))[:_LONGEST_NAME]}


def _written(fact: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(fact["written_at"]))


def _stats() -> Any:
    from airflow_provider_music.compat import Stats

    return Stats
