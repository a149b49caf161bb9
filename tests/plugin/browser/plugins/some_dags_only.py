# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Airflow's simple auth manager gets one rule more: a user named "stranger" may read no DAG.

From the plugins folder, since `airflow standalone` takes no other auth manager.
"""

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

STRANGER = "stranger"
_as_it_was = SimpleAuthManager.is_authorized_dag


def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
    if user.username == STRANGER and details is not None and details.id is not None:
        return False
    return _as_it_was(self, method=method, user=user, access_entity=access_entity, details=details)


SimpleAuthManager.is_authorized_dag = is_authorized_dag
