# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A real Airflow whose users sign in, with songs from the sandbox: what the browser is pointed at."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from harness.standalone import Standalone

if TYPE_CHECKING:
    from harness.sandbox import SandboxProcess

HERE = Path(__file__).parent
ROLES = {"admin": "ADMIN", "listener": "VIEWER", "stranger": "VIEWER"}
PASSWORD = "a password of this test"


def airflow_with_users(home: Path, sandbox: SandboxProcess, env: dict[str, str] | None = None) -> Standalone:
    """Prepare an Airflow with three users, of whom one may read no DAG; not started yet."""
    home.mkdir(parents=True, exist_ok=True)
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps(dict.fromkeys(ROLES, PASSWORD)))
    return Standalone(
        home,
        HERE / "dags",
        {
            # Of a work tree that is not the one which the environment was made from.
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "AIRFLOW_CONN_MUSIC_DEFAULT": sandbox.connection_json(),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(HERE / "plugins"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in ROLES.items()),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__MUSIC__OUTPUT_DIR": str(home / "songs"),
            **(env or {}),
        },
    )


def token_of(airflow: Standalone, user: str) -> str:
    """Sign a user in."""
    body = {"username": user, "password": PASSWORD}
    answer = httpx.post(f"{airflow.url}/auth/token", json=body, timeout=60, trust_env=False)
    return str(answer.raise_for_status().json()["access_token"])


def client_of(airflow: Standalone, user: str | None) -> httpx.Client:
    """Return an HTTP client that has the cookie of a user's session, or none."""
    cookies: dict[str, Any] = {} if user is None else {"_token": token_of(airflow, user)}
    return httpx.Client(base_url=airflow.url, cookies=cookies, timeout=60, trust_env=False)


def sign_in_api(airflow: Standalone) -> None:
    """Let the harness call the REST API as an administrator."""
    airflow.api._client.headers["authorization"] = f"Bearer {token_of(airflow, 'admin')}"
