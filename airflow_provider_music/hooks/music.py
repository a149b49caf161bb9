# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The connection to the AI/ML API's music models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.compat import BaseHook
from airflow_provider_music.hooks.form import behaviour, widgets

if TYPE_CHECKING:
    from airflow_provider_music.api.connection import MusicSettings
    from airflow_provider_music.api.endpoints import Balance
    from airflow_provider_music.api.responses import Generation
    from airflow_provider_music.client import AsyncClient, Client


class MusicHook(BaseHook):
    """Wraps authentication and the clients of the AI/ML API.

    The connection is of type ``music``: password = API key, host = base URL (default
    ``https://api.aimlapi.com``), timeouts and limits as extras. It is looked up at the first call, never in
    the constructor. Source of the API: docs.aimlapi.com.

    :param conn_id: Airflow connection id.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "music_default"
    conn_type = "music"
    hook_name = "Music generation (AI/ML API)"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Fields of the connection form, for Airflow 2; Airflow 3 reads them from the provider's metadata."""
        from airflow_provider_music.get_provider_info import UI_FIELD_BEHAVIOUR

        return behaviour(UI_FIELD_BEHAVIOUR)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Extra fields of the connection form for Airflow 2, from the same metadata that Airflow 3 reads."""
        from airflow_provider_music.get_provider_info import CONNECTION_FIELDS

        return widgets(CONNECTION_FIELDS)

    def get_settings(self) -> MusicSettings:
        """Look the connection up and check it.

        :raises CredentialsError: it is missing, has no key, or cannot be used.
        """
        from airflow_provider_music.hooks.clients import settings_of

        return settings_of(self.conn_id)

    def get_conn(self) -> Client:
        """Client for blocking code; one per thread and connection."""
        from airflow_provider_music.client import Client
        from airflow_provider_music.hooks.clients import sync_client_of

        return Client.over(sync_client_of(self.conn_id))

    async def get_async_conn(self) -> AsyncClient:
        """Client for the running event loop; one per loop and connection. It is closed with the loop's others."""
        from airflow_provider_music.client import AsyncClient
        from airflow_provider_music.hooks.clients import client_of

        return AsyncClient.over(await client_of(self.conn_id))

    def get_balance(self) -> Balance:
        """Return what the account holds, in US dollars; costs nothing."""
        from airflow_provider_music.api import endpoints

        return self.get_conn().call(endpoints.billing())

    def get_generation(self, generation_id: str) -> Generation:
        """How a queued generation stands; its ``audio_url`` may be signed and is a secret."""
        from airflow_provider_music.api import endpoints

        return self.get_conn().call(endpoints.poll(generation_id))

    def test_connection(self) -> tuple[bool, str]:
        """Make one free call that proves the key, ``GET /v2/billing``, and say the balance."""
        from airflow_provider_music.exceptions import MusicError

        try:
            settings = self.get_settings()
            balance = self.get_balance()
        except MusicError as exc:
            return False, str(exc)
        if balance.amount is None:
            return False, f"{settings.base_url} answered, but named no balance: is it the AI/ML API?"
        return True, f"The key works at {settings.base_url}; balance {balance.amount:.2f} {balance.currency}"
