# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The controls of a running sandbox, from Python."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_music.sandbox.settings import CONTROL_PATH

_TIMEOUT_SECONDS = 30.0


class SandboxControl:
    """Talks to the control endpoints of the sandbox at ``url``, past any proxy settings."""

    def __init__(self, url: str, key: str = "sandbox-key") -> None:
        self.url = url
        self.key = key

    def state(self) -> dict[str, Any]:
        """Return what came in and what became of it."""
        return self._call("GET", "state")

    def fault(self, *specs: str) -> None:
        """Arm faults, as ``sandbox.fault("submit:cut-after", "poll:status=500,times=3")``."""
        self._call("POST", "faults", {"faults": list(specs)})

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self._call("DELETE", "faults")

    def settings(self, **changes: Any) -> None:
        """Change settings, as ``sandbox.settings(delay=0, balance=1.5)``."""
        self._call("POST", "settings", changes)

    def withdraw(self, model: str, replaced_by: str | None = None) -> None:
        """Stop serving a model: 404 from now on, and an entry among the deprecations."""
        self._call("POST", "settings", {"withdraw": model, "replaced_by": replaced_by})

    def fill_log(self, rows: int) -> None:
        """Add rows of other songs to the log, newer than all that is there."""
        self._call("POST", "rows", {"count": rows})

    def finish(self) -> None:
        """Let every song that is being made be done now, as in a test that has seen its task wait."""
        self._call("POST", "finish")

    def reset(self) -> None:
        """Forget everything but the settings."""
        self._call("POST", "reset")

    def posts(self, route: str | None = None) -> int:
        """Return how many POSTs came to a route, or to all of them."""
        counts: dict[str, int] = self.state()["posts"]
        return sum(counts.values()) if route is None else counts.get(route, 0)

    def requests(self, route: str) -> int:
        """Return how many requests came to a route."""
        return int(self.state()["requests"].get(route, 0))

    def generations(self) -> list[dict[str, Any]]:
        """Return the generations, oldest first."""
        return list(self.state()["generations"])

    def connection_json(self, **extra: Any) -> str:
        """Return an Airflow connection to this sandbox, as ``AIRFLOW_CONN_...`` takes it."""
        connection = {"conn_type": "music", "host": self.url, "password": self.key}
        return json.dumps({**connection, "extra": extra} if extra else connection)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=_TIMEOUT_SECONDS)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, f"{CONTROL_PATH}/{path}", payload)
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise ValueError(answer["error"])
        return answer
