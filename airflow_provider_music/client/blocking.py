# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The client for blocking code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider_music.api.client import SyncMusicClient
from airflow_provider_music.api.connection import DEFAULT_BASE_URL
from airflow_provider_music.client.asynchronous import DEFAULT_TIMEOUT, AsyncClient, settings_of_arguments

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Coroutine, Mapping

    from airflow_provider_music.api.connection import MusicSettings
    from airflow_provider_music.api.endpoints import Balance, Call, LogRow
    from airflow_provider_music.api.responses import Generation
    from airflow_provider_music.client.values import Model, Song, Submitted

T = TypeVar("T")


class Client:
    """:class:`AsyncClient` for blocking code; what a method does, takes and raises stands there.

    It keeps an event loop of its own, and belongs to the thread it was made in. Where an event loop runs already, as in
    a notebook, it raises RuntimeError: use :class:`AsyncClient` and ``await`` there.

    :param key: the API key.
    :param base_url: of the API.
    :param more: extras of the Airflow connection by name, such as ``read_timeout``; see docs/connection.md.
    :raises CredentialsError: no key, or a setting that cannot be; all problems in one message.
    """

    def __init__(self, key: str, base_url: str = DEFAULT_BASE_URL, **more: Any) -> None:
        self._sync = SyncMusicClient(settings_of_arguments(key, base_url, more))

    @classmethod
    def over(cls, sync: SyncMusicClient) -> Self:
        """Return the one for a client that is shared, as a hook has it."""
        made = cls.__new__(cls)
        made._sync = sync  # noqa: SLF001 - its own
        # Kept by what it stands for: one each, and both go together.
        kept: Self = vars(sync).setdefault("facade", made)
        return kept

    @property
    def settings(self) -> MusicSettings:
        """How the API is reached; the key is left out of its ``repr``."""
        return self._sync.settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections and its event loop."""
        self._sync.close()

    def call(self, call: Call[T]) -> T:
        """Make a free call of :mod:`airflow_provider_music.api.endpoints`; it may be repeated."""
        return self._sync.call(call)

    def balance(self) -> Balance:
        """Return what the account holds. Free."""
        return self._run(lambda client: client.balance())

    def models(self) -> list[Model]:
        """Return the catalogue, with what the API says of withdrawn models. Free."""
        return self._run(lambda client: client.models())

    def generate(
        self, request: Mapping[str, Any], *, to: str | os.PathLike[str] = "songs", timeout: Any = DEFAULT_TIMEOUT
    ) -> Song:
        """Submit one request, exactly once, wait for the song, and leave it below ``to``. Paid."""
        return self._run(lambda client: client.generate(request, to=to, timeout=timeout))

    def submit(self, request: Mapping[str, Any]) -> Submitted:
        """Submit one request of a queued model, exactly once. Paid."""
        return self._run(lambda client: client.submit(request))

    def poll(self, generation_id: str) -> Generation:
        """Return how a queued generation stands. Free."""
        return self._run(lambda client: client.poll(generation_id))

    def wait(self, generation_id: str, *, timeout: Any = DEFAULT_TIMEOUT, usual_seconds: float = 60.0) -> Generation:
        """Poll a generation until it is done, at the pace of the operators. Free."""
        return self._run(lambda client: client.wait(generation_id, timeout=timeout, usual_seconds=usual_seconds))

    def download(self, generation_id: str, *, to: str | os.PathLike[str] = "songs") -> Song:
        """Leave the song of a generation that is done below ``to``, verified. Free."""
        return self._run(lambda client: client.download(generation_id, to=to))

    def find(self, request_id: str) -> LogRow | None:
        """Search the usage log of the last day for a request; None where it has no row (yet). Free."""
        return self._run(lambda client: client.find(request_id))

    def _run(self, work: Callable[[AsyncClient], Coroutine[Any, Any, T]]) -> T:
        return self._sync.run(lambda api: work(AsyncClient.over(api)))
