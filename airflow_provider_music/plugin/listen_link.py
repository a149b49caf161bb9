# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The link *Listen* on every task that makes songs: made from a task instance's names, so it is always there."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from urllib.parse import quote, urlsplit

from airflow_provider_music.compat import BaseOperatorLink, conf

#: Where the pages lie on Airflow's API server.
PREFIX = "/music"
#: The classes whose tasks have a page.
OPERATORS = (
    "airflow_provider_music.operators.generate.GenerateMusicOperator",
    "airflow_provider_music.operators.batch.GenerateMusicBatchOperator",
    "airflow_provider_music.sensors.music.MusicGenerationSensor",
    "airflow_provider_music.decorators.music._MusicDecoratedOperator",
    "airflow_provider_music.decorators.music._MusicBatchDecoratedOperator",
)
#: What tells a task of these classes, or of a class that inherits from one, from all others: both have to hold.
SCOPE = {"task.template_fields": ["max_usd", "generation"], "task.ui_color": ["#e6dcf5", "#f5eedc"]}


class ListenLink(BaseOperatorLink):
    """Leads to a task instance's page. The API server makes it, so no XCom has to be there."""

    name = "Listen"  # type: ignore[assignment]

    @property
    def operators(self) -> list[type]:  # type: ignore[override]
        """The classes that have the link; imported when Airflow reads a DAG for its pages."""
        return [_class_at(path) for path in OPERATORS]

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the path of the page, below that of Airflow itself."""
        return page_path(airflow_path(), ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)


def page_path(base: str, dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """Return the path of a task instance's page."""
    names = "/".join(quote(name, safe="") for name in (dag_id, run_id, task_id))
    return f"{base}{PREFIX}/song/{names}/{map_index}"


def page_url(dag_id: str, run_id: str, task_id: str, map_index: int = -1, *, song: int | None = None) -> str:
    """Return the whole address of a task instance's page, for a message to a person.

    It begins with ``[api] base_url``; where that is not set it is a path, which leads there from Airflow's own pages.

    :param song: place of a song in its batch.
    """
    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return page_path(base, dag_id, run_id, task_id, map_index) + ("" if song is None else f"?song={song}")


def airflow_path() -> str:
    """Return the path below which Airflow's pages lie: empty, unless ``[api] base_url`` has one."""
    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")


def _class_at(path: str) -> type:
    module, _, name = path.rpartition(".")
    found: type = getattr(import_module(module), name)
    return found
