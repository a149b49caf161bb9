# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Airflow's REST API: v2 of 3.x and v1 of 2.11 behind one set of methods."""

import contextlib
import json
import time
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import httpx

from harness.settings import IS_3

_RETRY_S = 30.0


class ClusterError(RuntimeError):
    """The cluster did not do what was asked; the message says what and where to look."""


@dataclass(frozen=True, order=True)
class TaskState:
    """One task of a run as Airflow shows it now; `id` is Airflow's own of its present try, on 3.x.

    `map_index` is -1 where the task is not mapped, `iteration` where it is in no loop.
    """

    task_id: str
    map_index: int
    iteration: int
    id: str
    state: str | None
    try_number: int
    max_tries: int
    start_date: str | None
    end_date: str | None

    @property
    def name(self) -> str:
        """`task`, `task[3]`, or `task loop 3`."""
        looped = f" loop {self.iteration}" if self.iteration >= 0 else ""
        return (self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]") + looped

    @classmethod
    def read(cls, body: dict[str, Any]) -> Self:
        """Take the fields from what the API says."""
        return cls(
            **{key: body[key] for key in ("task_id", "map_index", "state", "max_tries", "start_date", "end_date")},
            try_number=body["try_number"] or 0,
            iteration=(body.get("loop_iteration") or {}).get("iteration", -1),
            id=str(body.get("id")),
        )


class Api:
    """The REST API at one address, as an administrator."""

    def __init__(self, base_url: str) -> None:
        """Take the address of the API server (3.x) or web server (2.11)."""
        self.base_url = base_url
        self._prefix = "/api/v2" if IS_3 else "/api/v1"
        self._client = httpx.Client(base_url=base_url, timeout=60, trust_env=False)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def health(self) -> dict[str, str | None]:
        """Status of each component, or nothing while the server does not answer."""
        path = "/api/v2/monitor/health" if IS_3 else "/api/v1/health"
        try:
            answer = self._client.get(path, timeout=10)
        except httpx.TransportError:
            return {}
        if answer.status_code != httpx.codes.OK:
            return {}
        return {name: part.get("status") for name, part in answer.json().items() if isinstance(part, dict)}

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        """Call one route under `/api/v1` or `/api/v2`, and return its JSON."""
        return self.call_at(method, self._prefix + path, **kwargs).json()

    def call_at(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Call any route of the server; SQLite's "database is locked" is met by asking again."""
        deadline = time.monotonic() + _RETRY_S
        while True:
            self._log_in()
            answer = self._client.request(method, path, **kwargs)
            if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        if answer.is_error:
            raise ClusterError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer

    def dag_ids(self) -> set[str]:
        """Ids of the DAGs that Airflow has read."""
        return {dag["dag_id"] for dag in self.call("GET", "/dags", params={"limit": 100})["dags"]}

    def unpause(self, dag_id: str) -> None:
        """Let the runs of a DAG go."""
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run, and return its id."""
        body: dict[str, Any] = {"conf": conf or {}}
        if IS_3:
            body["logical_date"] = None
        return str(self.call("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def run_ids(self, dag_id: str) -> list[str]:
        """Ids of the runs of a DAG, the scheduled ones too."""
        body = self.call("GET", f"/dags/{dag_id}/dagRuns", params={"limit": 100})
        return [str(run["dag_run_id"]) for run in body["dag_runs"]]

    def run_state(self, dag_id: str, run_id: str) -> str:
        """`queued`, `running`, `success` or `failed`."""
        return str(self.call("GET", _run(dag_id, run_id))["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """Every task of a run, mapped ones one by one."""
        body = self.call("GET", f"{_run(dag_id, run_id)}/taskInstances", params={"limit": 100})
        return sorted(TaskState.read(task) for task in body["task_instances"])

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """One value that a task handed on, as the object that it was."""
        path = f"{_task(dag_id, run_id, task_id)}/xcomEntries/{quote(key, safe='')}"
        params: dict[str, Any] = {"map_index": map_index, "stringify": False}
        value = self.call("GET", path, params=params)["value"]
        with contextlib.suppress(TypeError, ValueError):  # the text as it lies in the database
            return json.loads(value)
        return value

    def xcom_keys(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> set[str]:
        """Names of all that a task handed on."""
        params: dict[str, Any] = {"map_index": map_index, "limit": 100}
        body = self.call("GET", f"{_task(dag_id, run_id, task_id)}/xcomEntries", params=params)
        return {entry["key"] for entry in body["xcom_entries"]}

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """Tell where a task's own buttons in the UI lead to; None for one that is not shown."""
        body = self.call("GET", f"{_task(dag_id, run_id, task_id)}/links")
        return {name: url or None for name, url in body.get("extra_links", body).items() if name != "total_entries"}

    def clear(self, dag_id: str, run_id: str, *task_ids: str, downstream: bool = False) -> None:
        """Have tasks run again, as a person does with the Clear button."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "only_failed": False,
            "reset_dag_runs": True,
            "include_downstream": downstream,
        }
        self.call("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)

    def clear_one(self, dag_id: str, run_id: str, task: TaskState) -> None:
        """Have one try run again by Airflow's own id of it, as 3.4 does for one iteration of a loop."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_instance_ids": [task.id], "only_failed": False}
        self.call("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)

    def mark_failed(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
        """Set a task to failed, as a person does in the UI."""
        mapped = f"/{map_index}" if map_index >= 0 else ""
        body: dict[str, Any] = {"new_state": "failed"} | ({} if IS_3 else {"dry_run": False})
        self.call("PATCH", f"{_task(dag_id, run_id, task_id)}{mapped}", json=body)

    def pool(self, name: str = "default_pool") -> dict[str, int]:
        """Slots of a pool: `slots`, `open_slots`, `running_slots`, `deferred_slots`, `occupied_slots`, ..."""
        body = self.call("GET", f"/pools/{name}")
        return {key: value for key, value in body.items() if key.endswith("slots")}

    def create_pool(self, name: str, slots: int) -> None:
        """Make a pool in which deferred tasks count as well."""
        self.call("POST", "/pools", json={"name": name, "slots": slots, "include_deferred": True})

    def asset_events(self, dag_id: str, run_id: str | None = None) -> list[dict[str, Any]]:
        """Tell which assets (2.11: datasets) the tasks of a DAG, or of one run, have updated, with the extras."""
        what = "asset" if IS_3 else "dataset"
        params = {"source_dag_id": dag_id, "limit": 100} | ({"source_run_id": run_id} if run_id else {})
        body = self.call("GET", f"/{what}s/events", params=params)
        return [event | {"uri": str(event["uri" if IS_3 else "dataset_uri"])} for event in body[f"{what}_events"]]

    def import_errors(self) -> dict[str, str]:
        """DAG file and traceback of each that Airflow could not read."""
        body = self.call("GET", "/importErrors")
        return {error["filename"]: error["stack_trace"] for error in body["import_errors"]}

    def connection_form(self) -> str:
        """Return what the UI builds the connection form from: JSON on 3.x, the page itself on 2.11."""
        return self.call_at("GET", "/ui/connections/hook_meta" if IS_3 else "/connection/add").text

    def test_connection(self, connection: dict[str, Any]) -> tuple[bool, str]:
        """Press the form's Test button."""
        body = self.call("POST", "/connections/test", json={"connection_id": "tested_in_the_form"} | connection)
        return bool(body["status"]), str(body["message"])

    def _log_in(self) -> None:
        if IS_3 and "authorization" not in self._client.headers:
            token = self._client.get("/auth/token").raise_for_status().json()["access_token"]
            self._client.headers["authorization"] = f"Bearer {token}"


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def _task(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run(dag_id, run_id)}/taskInstances/{task_id}"
