# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Links on a task's page: to its song and to its record, where the store has pages. None of them holds a secret.

A worker of Airflow 3 asks each link of a task for its URL when the task ends, and pushes whatever it says: an empty row
where there is none, and an error in the log where it looks for an XCom that nobody pushed. So a task on a worker has
the links that lead somewhere, and no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow_provider_music.compat import AIRFLOW, BaseOperatorLink, conf
from airflow_provider_music.lineage.names import page_of

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Of the pages on which songs are heard, below Airflow's own; in ``plugin/listen_link.py`` too, which is loaded where
#: this is not.
LISTEN = "/music/song"
_FIRST_WITH_PAGES = (3, 1, 0)


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


class ListenLink(BaseOperatorLink):
    """Leads to the task's page, of classes that inherit from an operator of this package.

    Airflow gives a plugin's link to the tasks of the very classes that it names, and to no class that inherits.
    """

    name = "Listen"  # type: ignore[assignment]
    xcom_key = "_link_ListenLink"  # type: ignore[assignment]

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the link that the task pushed."""
        return _link_of(operator, self.xcom_key, ti_key)


def inherit_listen_link(operator: type) -> None:
    """Give a class that inherits from one that makes songs its link to their page, where Airflow has such pages."""
    links = getattr(operator, "operator_extra_links", None)
    is_ours = operator.__module__.startswith(f"{__name__.partition('.')[0]}.")
    if is_ours or AIRFLOW < _FIRST_WITH_PAGES or not isinstance(links, list | tuple):
        return
    if not any(isinstance(link, ListenLink) for link in links):
        operator.operator_extra_links = (*links, ListenLink())  # type: ignore[attr-defined]


def push_listen_link(task: Any, context: Any) -> None:
    """Push the link to the task's page, where its class has that link of its own."""
    link = next((one for one in type(task).operator_extra_links if isinstance(one, ListenLink)), None)
    if link is not None:
        ti = context["ti"]
        names = "/".join(quote(name, safe="") for name in (ti.dag_id, ti.run_id, ti.task_id))
        base = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
        _push_page(task, context, link, f"{base}{LISTEN}/{names}/{ti.map_index}")


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
    if not _has_endpoint_of_its_own(folder):
        _push_page(task, context, link, page_of(url))


def _push_page(task: Any, context: Any, link: Any, page: str | None) -> None:
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
