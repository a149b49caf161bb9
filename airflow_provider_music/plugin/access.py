# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Who may see what: Airflow's auth manager decides, here it is only asked.

Everything needs a session (401). A song needs the right to read its DAG's task instances and XComs (403), as Airflow's
own pages of these do. The library shows the songs of the DAGs that the user may read.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, status

from airflow_provider_music.plugin.server import DagAccessEntity, get_auth_manager, get_user, requires_access_dag
from airflow_provider_music.storage.threads import in_thread

User = Annotated[Any, Depends(get_user)]

#: Of every route: a session.
ANY_USER = Depends(get_user)
#: Of the routes of one song; ``dag_id`` is in their path.
READER_OF_THE_DAG = (
    Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE)),
    Depends(requires_access_dag("GET", DagAccessEntity.XCOM)),
)
_FROM_HERE = ("same-origin", "none")


async def readable_dags(user: User) -> set[str]:
    """Return the ids of the DAGs whose songs the user may hear.

    :raises HTTPException: 403, the user may read no XCom at all.
    """
    return await in_thread(_readable_dags, user)


def _readable_dags(user: Any) -> set[str]:
    manager = get_auth_manager()
    if not manager.is_authorized_dag(method="GET", access_entity=DagAccessEntity.XCOM, user=user):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Forbidden")
    return set(manager.get_authorized_dag_ids(user=user, method="GET"))


ReadableDags = Annotated[set[str], Depends(readable_dags)]


def from_our_page(request: Request) -> None:
    """Refuse a POST that another site's page makes a browser send.

    :raises HTTPException: 403.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in _FROM_HERE:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Sent from another site")
