# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Links on a task's page: to its song and to its record, where the store has pages. None of them holds a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.compat import BaseOperatorLink
from airflow_provider_music.lineage.names import page_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class RecordLink(BaseOperatorLink):
    """Leads to the folder of the task's record; it is there while the task waits."""

    name = "Record"  # type: ignore[assignment]
    #: As Airflow 3 names it; 2.11 has none of its own.
    xcom_key = "_link_RecordLink"  # type: ignore[assignment]

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the link that the task pushed."""
        return _link_of(self.xcom_key, ti_key)


class SongLink(BaseOperatorLink):
    """Leads to the song, once it is there."""

    name = "Song"  # type: ignore[assignment]
    #: As Airflow 3 names it; 2.11 has none of its own.
    xcom_key = "_link_SongLink"  # type: ignore[assignment]

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the link that the task pushed."""
        return _link_of(self.xcom_key, ti_key)


def push_record_link(context: Any, record_url: str | None) -> None:
    """Push the link to the record, also of a task that is about to wait."""
    if record_url is not None and page_of(record_url) is not None:
        from airflow_provider_music.storage.folder import Folder

        _push(context, RecordLink().xcom_key, Folder(record_url), f"{record_url}/")


def push_song_link(context: Any, result: Mapping[str, Any]) -> None:
    """Push the link to the song."""
    url = result.get("audio_uri")
    if isinstance(url, str) and page_of(url) is not None:
        from airflow_provider_music.storage.folder import Folder

        _push(context, SongLink().xcom_key, Folder(url.rpartition("/")[0]), url)


def _push(context: Any, key: str, folder: Any, url: str) -> None:
    if not _has_endpoint_of_its_own(folder):
        context["ti"].xcom_push(key=key, value=page_of(url))


def _has_endpoint_of_its_own(folder: Any) -> bool:
    """Whether this only speaks S3's protocol; Amazon's pages would not show it."""
    fs = folder.fs
    return bool(getattr(fs, "endpoint_url", None) or (getattr(fs, "client_kwargs", None) or {}).get("endpoint_url"))


def _link_of(key: str, ti_key: Any) -> str:
    from airflow_provider_music.compat import XCom

    return XCom.get_value(key=key, ti_key=ti_key) or ""
