# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What Airflow is told of the pages. Every process of Airflow loads this, so it imports next to nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow_provider_music.compat import AIRFLOW, AirflowPlugin
from airflow_provider_music.plugin.listen_link import PREFIX, SCOPE, ListenLink

#: Airflow 3.0 and 2.11 have no such pages; there the entry point names nothing.
_FIRST_WITH_PAGES = (3, 1, 0)
#: Since then a tab can be shown on some operators only. Before that it would be on everybody's tasks.
_FIRST_WITH_SCOPED_TABS = (3, 4, 0)


class LazyApp:
    """The pages' application, imported at the first request: schedulers and workers load the plugin, and have none."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        if self._app is None:
            self._app = await asyncio.to_thread(_load)
        await self._app(scope, receive, send)


def _load() -> Any:
    from airflow_provider_music.plugin.app import app

    return app()


def _views() -> list[dict[str, Any]]:
    views: list[dict[str, Any]] = [
        {
            "name": "Music",
            "href": f"{PREFIX[1:]}/",
            "destination": "nav",
            "category": "browse",
            "url_route": "music",
        }
    ]
    if AIRFLOW >= _FIRST_WITH_SCOPED_TABS:
        views.append(
            {
                "name": "Listen",
                "href": f"{PREFIX[1:]}/song/{{DAG_ID}}/{{RUN_ID}}/{{TASK_ID}}/{{MAP_INDEX}}",
                "destination": "task_instance",
                "url_route": "listen",
                "applies_to": SCOPE,
            }
        )
    return views


def _plugin() -> type | None:
    if AIRFLOW < _FIRST_WITH_PAGES:
        return None

    class MusicPlugin(AirflowPlugin):
        """The pages below /music, their place in the navigation, and the link to them on each task."""

        name = "music"
        fastapi_apps = [{"app": LazyApp(), "url_prefix": PREFIX, "name": "Music"}]  # noqa: RUF012 - Airflow's own form
        external_views = _views()
        operator_extra_links = [ListenLink()]  # noqa: RUF012 - as above

    return MusicPlugin


#: What the entry point names.
MusicPlugin = _plugin()
