# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a folder of this machine can be what workers and triggerers share, judged by the task's executor."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Literal

from airflow_provider_music.compat import conf
from airflow_provider_music.exceptions import StorageNotSharedError
from airflow_provider_music.storage.folder import is_local

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

_SAME_MACHINE = frozenset(
    ("LocalExecutor", "SequentialExecutor", "DebugExecutor", "InProcess", "InProcessExecutor"),
)
_OTHER_MACHINES = frozenset(
    (
        "CeleryExecutor",
        "KubernetesExecutor",
        "CeleryKubernetesExecutor",
        "EdgeExecutor",
        "AwsEcsExecutor",
        "AwsBatchExecutor",
        "AwsLambdaExecutor",
    )
)
#: Here or in a pod, by the task's queue.
_EITHER = "LocalKubernetesExecutor"
_AIRFLOWS_OWN, _OF_PROVIDERS = "airflow.executors.", "airflow.providers."
_IN_PROCESS = "InProcess"

Workers = Literal["here", "elsewhere", "unknown"]

#: Executors that the log of this process has a warning about.
_warned: set[str | None] = set()


def check_shared(url: str, executor: str | None, name: str) -> None:
    """Refuse a folder of this machine where the workers are other machines, before anything is paid.

    Each worker or pod has a disk of its own there: the next one sees no record, and pays for the song again.

    :param url: the folder, as :func:`airflow_provider_music.storage.location.location` returns it.
    :param executor: of the task, from :func:`executor_of`.
    :param name: the argument or option that names the folder.
    :raises StorageNotSharedError: and ``[music] shared_disk`` does not say that it is a mount. Nothing was sent.
    """
    if not is_local(url) or conf.getboolean("music", "shared_disk", fallback=False):
        return
    workers = workers_of(executor)
    if workers == "elsewhere":
        raise StorageNotSharedError(
            f"{name}: {url!r:.200} is a folder of one machine, but {executor} runs tasks on others: the next try and "
            "the triggerer would not find what this one has paid. Give an object store that all of them reach, such "
            "as 's3://conn_id@bucket/songs'; or mount one disk at that path for all workers and triggerers, and set "
            "[music] shared_disk = True. Nothing was sent."
        )
    if workers == "unknown" and not _warned:
        _warned.add(executor)
        log.warning(
            "%s: %s is a folder of this machine. Whether all workers and triggerers see it cannot be told from the "
            "executor, %s; where they do not, songs are lost or paid twice. Use an object store, or set [music] "
            "shared_disk = True once it is a mount that they share",
            name,
            url,
            executor or "which is not known",
        )


def executor_of(task: object) -> str | None:
    """Return the executor of a task, its alias resolved: a class path or the short name of one of Airflow's own.

    None is one that cannot be told: tasks of several teams, whose executors differ.
    """
    if _runs_in_process():
        return _IN_PROCESS
    lists = list(_configured())
    own = getattr(task, "executor", None)
    if own:
        return next((path for _, entries in lists for alias, path in entries if own in _names(alias, path)), str(own))
    # A worker is not told the team of its task. Each team's default is the first of its list.
    defaults = {entries[0][1] for _, entries in lists if entries}
    return defaults.pop() if len(defaults) == 1 else None


def _configured() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield each team's name and executors, as alias and path: ``A,b:pkg.B;team1=C``."""
    teams = conf.getboolean("core", "multi_team", fallback=False)
    for part in str(conf.get("core", "executor", fallback="") or "").split(";"):
        team, _, names = part.rpartition("=")
        if team.strip() and not teams:
            # Airflow ignores them too.
            continue
        pairs = [entry.strip().partition(":") for entry in names.split(",") if entry.strip()]
        yield team.strip(), [(alias.strip(), path.strip() or alias.strip()) for alias, _, path in pairs]


def _names(alias: str, path: str) -> tuple[str, str, str]:
    """Return what a task may call an executor."""
    return alias, path, path.rpartition(".")[2]


def _runs_in_process() -> bool:
    """Whether ``dag.test()`` of Airflow 3 runs this task: its trigger runs in this process too."""
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    return type(getattr(runner, "SUPERVISOR_COMMS", None)).__name__.startswith(_IN_PROCESS)


def workers_of(executor: str | None) -> Workers:
    """Return where an executor, from :func:`executor_of`, runs tasks."""
    module, _, name = (executor or "").rpartition(".")
    own = not module or f"{module}.".startswith(_AIRFLOWS_OWN)
    if name == _EITHER:
        return "unknown"
    if own and name in _SAME_MACHINE:
        return "here"
    if f"{module}.".startswith(_OF_PROVIDERS) or (not module and name in _OTHER_MACHINES):
        return "elsewhere"
    return "unknown"
