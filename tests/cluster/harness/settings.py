# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The environment of a small, quick and quiet Airflow, 2.11 or 3.x."""

import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from harness.processes import free_ports

AIRFLOW_VERSION = version("apache-airflow")
IS_3 = AIRFLOW_VERSION.split(".", maxsplit=1)[0] != "2"

# Everybody who reaches the loopback port is an administrator: neither version asks for a password.
_WEBSERVER_CONFIG_2 = """\
AUTH_ROLE_PUBLIC = "Admin"
WTF_CSRF_ENABLED = False
"""


def port_of(env: Mapping[str, str]) -> int:
    """Tell the port of the REST API and the UI."""
    return int(env["AIRFLOW__API__PORT" if IS_3 else "AIRFLOW__WEBSERVER__WEB_SERVER_PORT"])


def make(home: Path, dags_folder: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Put together the environment, on free ports, with nothing inherited from another Airflow."""
    env = {key: value for key, value in os.environ.items() if not key.lstrip("_").startswith("AIRFLOW")}
    env.pop("PYTHONPATH", None)
    # Every task is a process: compiling all that it imports anew would cost each several seconds.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    env["NO_PROXY"] = env["no_proxy"] = ",".join(filter(None, [env.get("NO_PROXY"), "127.0.0.1,localhost"]))
    env["PYTHONUNBUFFERED"] = "1"
    env["AIRFLOW_HOME"] = str(home)
    env |= _common(dags_folder) | (_only_3() if IS_3 else _only_2())
    if not IS_3:
        home.mkdir(parents=True, exist_ok=True)
        (home / "webserver_config.py").write_text(_WEBSERVER_CONFIG_2)
    return env | dict(extra or {})


def _common(dags_folder: Path) -> dict[str, str]:
    """Both versions: few processes, short naps, files looked at often."""
    worker_logs, trigger_logs = free_ports(2)
    return {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "12",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "SCARF_ANALYTICS": "False",
    }


def _only_3() -> dict[str, str]:
    """3.x: an API server that also takes what the tasks say, and a DAG processor of its own."""
    (port,) = free_ports(1)
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # The API server builds the tasks' own API at its first call, which takes 5 s on two free cores and was seen to
        # take 52 s on busy ones. A worker that gives up meanwhile is a try that failed before its task was begun.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "120",
    }


def _only_2() -> dict[str, str]:
    """2.11: a web server; the scheduler reads the DAG files itself."""
    (port,) = free_ports(1)
    return {
        "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.default",
        "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__PARSING_PROCESSES": "1",
        # Two would schedule the same task on SQLite, which has no row locks, and count two tries.
        "AIRFLOW__SCHEDULER__SCHEDULE_AFTER_TASK_EXECUTION": "False",
        "AIRFLOW__WEBSERVER__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__WEBSERVER__EXPOSE_CONFIG": "False",
        "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
        "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(port),
        "AIRFLOW__WEBSERVER__WORKERS": "1",
        "AIRFLOW__WEBSERVER__SHOW_RECENT_STATS_FOR_COMPLETED_RUNS": "False",
        # 2.11 refuses several workers on SQLite; one small cluster on one machine is what it can bear.
        "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
    }
