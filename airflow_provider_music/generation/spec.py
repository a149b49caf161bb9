# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the wait has to know about a song, as plain JSON: it travels to the triggerer and outlives restarts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Order:
    """One song to be had: the request, whose it is, and until when.

    No key, no URL of audio and no audio is in here; Airflow keeps it in its database in the clear.

    :param record_url: folder of the task instance's record.
    :param n: number of the request, see :mod:`airflow_provider_music.record.store`.
    :param audio_format: mp3, wav or pcm if the request names it; else the content decides.
    :param deadline: seconds since 1970; a restart does not extend it.
    :param poll_interval: seconds between polls, or None for the model's own pace.
    :param until_accepted: stop waiting as soon as the API gave an id.
    :param references: ids of references that the request names, each with its file's hash where it is known.
    :param max_tries: of the task instance, kept in each fact to tell a clear from a retry.
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

    @property
    def model(self) -> str:
        """The model's name, as it is sent."""
        return str(self.body.get("model"))

    @property
    def stamp(self) -> dict[str, Any]:
        """What every fact says about the try that wrote it."""
        return {"task": self.task, "try_number": self.try_number, "max_tries": self.max_tries}

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, for trigger kwargs."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Order:
        """Read :meth:`as_dict`, also of an older version: unknown names are left out."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})
