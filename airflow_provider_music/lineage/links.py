# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Links on a task's page: to its song and to its record, where the store has pages. None of them holds a secret.

A worker of Airflow 3 asks each link of a task for its URL when the task ends, and pushes whatever it says: an empty row
where there is none, and an error in the log where it looks for an XCom that nobody pushed. So a task on a worker has
the links that lead somewhere, and no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.compat import AIRFLOW, BaseOperatorLink
from airflow_provider_music.lineage.names import page_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class RecordLink(BaseOperatorLink):
    """Leads to the folder of the task's record; it is there while the task waits."""

    name = "Record"  # type: ignore[assignment]
    #: As Airflow 3 names it; 2.11 has none of its own.
    xcom_key = "_link_RecordLink"  # type: ignore[assignment]

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the link that the task pushed."""
        return _link_of(operator, self.xcom_key, ti_key)


class SongLink(BaseOperatorLink):
    """Leads to the song, once it is there."""

    name = "Song"  # type: ignore[assignment]
    #: As Airflow 3 names it; 2.11 has none of its own.
    xcom_key = "_link_SongLink"  # type: ignore[assignment]

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the link that the task pushed."""
        return _link_of(operator, self.xcom_key, ti_key)


def drop_links(task: Any) -> None:
    """Take the links from a task on a worker, until it is known where they lead."""
    task.lineage_links = {}
    if AIRFLOW >= (3, 0, 0):
        task.operator_extra_links = ()


def push_record_link(task: Any, context: Any, record_url: str | None) -> None:
    """Push the link to the record, also of a task that is about to wait."""
    if record_url is not None and page_of(record_url) is not None:
        from airflow_provider_music.storage.folder import Folder

        _push(task, context, RecordLink(), Folder(record_url), f"{record_url}/")


def push_song_link(task: Any, context: Any, result: Mapping[str, Any]) -> None:
    """Push the link to the song."""
    url = result.get("audio_uri")
    if isinstance(url, str) and page_of(url) is not None:
        from airflow_provider_music.storage.folder import Folder

        _push(task, context, SongLink(), Folder(url.rpartition("/")[0]), url)


def _push(task: Any, context: Any, link: RecordLink | SongLink, folder: Any, url: str) -> None:
    if _has_endpoint_of_its_own(folder):
        return
    page = page_of(url)
    # Not only at the end of the task: it may wait for long.
    context["ti"].xcom_push(key=link.xcom_key, value=page)
    task.lineage_links = {**task.lineage_links, link.xcom_key: page}
    if AIRFLOW >= (3, 0, 0):
        task.operator_extra_links = (*task.operator_extra_links, link)


def _has_endpoint_of_its_own(folder: Any) -> bool:
    """Whether this only speaks S3's protocol; Amazon's pages would not show it."""
    fs = folder.fs
    return bool(getattr(fs, "endpoint_url", None) or (getattr(fs, "client_kwargs", None) or {}).get("endpoint_url"))


def _link_of(operator: Any, key: str, ti_key: Any) -> str:
    # Airflow 2 asks in its web server, where the operator has not run.
    made = getattr(operator, "lineage_links", None)
    if made is not None or AIRFLOW >= (3, 0, 0):
        return (made or {}).get(key) or ""
    from airflow_provider_music.compat import XCom

    return XCom.get_value(key=key, ti_key=ti_key) or ""
