# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the wait for a generation has to know, as plain JSON: it travels to the triggerer and outlives restarts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: As :attr:`airflow_provider_music.record.identity.TaskAttempt.metadata` has them.
_ATTEMPT = ("task", "try_number", "max_tries", "run_started_at", "clear_number", "attempt_id")

#: Of a shared budget, what says which reservation a request is paid from.
_RESERVED = ("name", "ledger", "entry", "usd")


@dataclass(frozen=True, slots=True)
class GenerationSpec:
    """One generation: the request, whose it is, and until when.

    No key, no URL of audio and no audio is in here; Airflow keeps it in its database in the clear.

    :param record_url: folder of the song's record.
    :param audio_url: folder below which its audio goes; the same where it lies beside the record.
    :param key: of the song's identity; the part of the request's own id that every process makes alike.
    :param n: number of the request, see :mod:`airflow_provider_music.record.store`.
    :param audio_format: mp3, wav or pcm if the request names it; where it names none, the content decides.
    :param deadline: seconds since 1970; a restart does not extend it.
    :param poll_interval: seconds between polls, or None for the model's own pace.
    :param until_accepted: stop waiting as soon as the API gave an id.
    :param references: ids of references that the request names, each with its file's hash where it is known.
    :param max_tries: of the task instance, kept in each fact to tell a clear from a retry.
    :param facts: what the worker knows of take n, so that a process that does not see its disk can go on from there.
    :param request_id: of the request for take n, made before it is sent so that a later try can search for it.
    :param marker: a file that the worker left in the record where it knows of no take: who does not see it is on
        another disk, and must not submit.
    :param requested_ms: the length that the request asks for, where it does.
    :param budget: the shared budget that a request is paid from, see
        :mod:`airflow_provider_music.generation.reservation`.
    :param reuse: where the same request of other tasks is found, see :mod:`airflow_provider_music.generation.reuse`.
    :param name: of the song's files, where the task names them.
    :param disclosure: what the intent holds for the song's disclosure sheet, with the task's ``rights``.
    """

    conn_id: str
    record_url: str
    n: int
    lane: str
    body: Mapping[str, Any]
    fingerprint: str
    audio_format: str | None
    sample_rate_hz: int | None
    usual_seconds: float
    deadline: float
    poll_interval: float | None
    task: str
    try_number: int
    max_tries: int
    resubmission: bool = False
    until_accepted: bool = False
    references: Sequence[Mapping[str, Any]] | None = None
    audio_url: str | None = None
    key: str = ""
    run_started_at: str | None = None
    clear_number: int | None = None
    attempt_id: str | None = None
    facts: Mapping[str, Mapping[str, Any]] | None = None
    request_id: str | None = None
    marker: str | None = None
    requested_ms: int | None = None
    budget: Mapping[str, Any] | None = None
    reuse: Mapping[str, Any] | None = None
    name: str | None = None
    disclosure: Mapping[str, Any] | None = None

    @property
    def model(self) -> str:
        """The model's name, as it is sent."""
        return str(self.body.get("model"))

    def intent(self, request_id: str) -> dict[str, Any]:
        """Return what is written down before the request is sent; the hash of its words, not the words."""
        return {
            **self.attempt,
            "identity": self.key,
            "says_when_sent": True,
            "audio_url": f"{self.audio_url or self.record_url}/take-{self.n}",
            "client_request_id": request_id,
            "model": self.model,
            "lane": self.lane,
            "conn_id": self.conn_id,
            "fingerprint": self.fingerprint,
            "resubmission": self.resubmission,
            "audio_format": self.audio_format,
            "sample_rate_hz": self.sample_rate_hz,
            "references": self.references,
            "requested_ms": self.requested_ms,
            **({"budget": {name: self.budget.get(name) for name in _RESERVED}} if self.budget else {}),
            **({"name": self.name} if self.name else {}),
            **({"disclosure": self.disclosure} if self.disclosure else {}),
        }

    @property
    def attempt(self) -> dict[str, Any]:
        """Attempt metadata: what every fact says about the try that wrote it."""
        return {name: getattr(self, name) for name in _ATTEMPT}

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, for trigger kwargs."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GenerationSpec:
        """Read :meth:`as_dict`, also of an older version: unknown names are left out."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})
