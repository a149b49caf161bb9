# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the pages use of Airflow's API server: names of its own, which other parts of Airflow do not have."""

from __future__ import annotations

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session

__all__ = [
    "DagAccessEntity",
    "RenderedTaskInstanceFields",
    "TaskInstance",
    "XComModel",
    "create_session",
    "get_auth_manager",
    "get_user",
    "requires_access_dag",
]
