# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Airflow's names, wherever this Airflow has them: 2.11 and each 3.x keep them in other modules.

A name is looked up when it is first used, so that a DAG file's import loads no more than it needs. DAG files that have
to run on 2.11 and on 3.x can import from here too. An Airflow that is too old is refused here, by name, and not by
whatever breaks first in a triggerer.
"""

from __future__ import annotations

import importlib
import re
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from airflow import __version__ as _airflow_version

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from airflow.sdk import (
        DAG,
        Asset,
        AssetAlias,
        BaseHook,
        BaseOperator,
        BaseOperatorLink,
        BaseSensorOperator,
        ObjectStoragePath,
        PokeReturnValue,
        RetryDecision,
        RetryPolicy,
        XComArg,
        get_current_context,
        task,
    )
    from airflow.sdk.bases.decorator import DecoratedOperator, determine_kwargs, task_decorator_factory
    from airflow.sdk.configuration import conf
    from airflow.sdk.definitions.xcom_arg import PlainXComArg
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowOptionalProviderFeatureException,
        AirflowSensorTimeout,
        TaskDeferred,
    )
    from airflow.sdk.execution_time.context import ConnectionAccessor, VariableAccessor, set_current_context
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.sdk.lineage import HookLineageCollector, get_hook_lineage_collector
    from airflow.sdk.observability.stats import Stats
    from airflow.sdk.plugins_manager import AirflowPlugin

__all__ = [
    "AIRFLOW",
    "DAG",
    "MULTIPLE_OUTPUTS",
    "OLDEST",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowOptionalProviderFeatureException",
    "AirflowPlugin",
    "AirflowSensorTimeout",
    "Asset",
    "AssetAlias",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "ConnectionAccessor",
    "DecoratedOperator",
    "HookLineageCollector",
    "ObjectStoragePath",
    "PlainXComArg",
    "PokeReturnValue",
    "RetryDecision",
    "RetryPolicy",
    "Stats",
    "TaskDeferred",
    "VariableAccessor",
    "XCom",
    "XComArg",
    "conf",
    "determine_kwargs",
    "get_current_context",
    "get_hook_lineage_collector",
    "push_outputs",
    "set_current_context",
    "task",
    "task_decorator_factory",
    "task_runner_sentinel",
    "task_session",
    "template_macros",
    "version_of",
    "with_asset_names",
]

#: The oldest Airflow that this package runs on.
OLDEST = (2, 11, 0)


def version_of(text: str) -> tuple[int, int, int]:
    """Return the numbers of an Airflow's version; a beta counts as what it becomes.

    :raises ImportError: it is older than what this package runs on, or no version at all.
    """
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    version = (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)
    if version < OLDEST:
        raise ImportError(
            f"airflow-provider-music needs Airflow {'.'.join(map(str, OLDEST))} or later, and this is Airflow {text}. "
            "Upgrade Airflow, or uninstall airflow-provider-music."
        )
    return version


#: The Airflow that is installed.
AIRFLOW = version_of(_airflow_version)

#: Airflow 3.0 fails a task that pushes None: its worker sends an empty body for it, which its API server refuses. There
#: the keys of a result are pushed by :func:`push_outputs`, those without a value left out.
MULTIPLE_OUTPUTS = not (3, 0, 0) <= AIRFLOW < (3, 1, 0)

_DECORATORS = ("airflow.sdk.bases.decorator", "airflow.decorators.base")
_EXCEPTIONS = ("airflow.sdk.exceptions", "airflow.exceptions")
#: Modules that have a name, the newest Airflow's first. "module:name" where it has another name there.
_HOMES: dict[str, tuple[str, ...]] = {
    "AirflowException": _EXCEPTIONS,
    "AirflowFailException": _EXCEPTIONS,
    "AirflowNotFoundException": _EXCEPTIONS,
    "AirflowOptionalProviderFeatureException": _EXCEPTIONS,
    "AirflowPlugin": ("airflow.sdk.plugins_manager", "airflow.plugins_manager"),
    "AirflowSensorTimeout": _EXCEPTIONS,
    "Asset": ("airflow.sdk", "airflow.datasets:Dataset"),
    "AssetAlias": ("airflow.sdk", "airflow.datasets:DatasetAlias"),
    "BaseHook": ("airflow.sdk", "airflow.hooks.base"),
    "BaseOperator": ("airflow.sdk", "airflow.models.baseoperator"),
    "BaseOperatorLink": ("airflow.sdk", "airflow.models.baseoperatorlink"),
    "BaseSensorOperator": ("airflow.sdk", "airflow.sensors.base"),
    "ConnectionAccessor": ("airflow.sdk.execution_time.context", "airflow.utils.context"),
    "DAG": ("airflow.sdk", "airflow.models.dag"),
    "DecoratedOperator": _DECORATORS,
    "HookLineageCollector": ("airflow.sdk.lineage", "airflow.lineage.hook"),
    "ObjectStoragePath": ("airflow.sdk", "airflow.io.path"),
    "PlainXComArg": ("airflow.sdk.definitions.xcom_arg", "airflow.models.xcom_arg"),
    "PokeReturnValue": ("airflow.sdk", "airflow.sensors.base"),
    # Before 3.3 there is neither; the policy that is made of them refuses an older Airflow when it is used.
    "RetryDecision": ("airflow.sdk", "builtins:object"),
    "RetryPolicy": ("airflow.sdk", "builtins:object"),
    "Stats": ("airflow.sdk.observability.stats", "airflow.observability.stats", "airflow.stats"),
    "TaskDeferred": _EXCEPTIONS,
    "VariableAccessor": ("airflow.sdk.execution_time.context", "airflow.utils.context"),
    "XCom": ("airflow.sdk.execution_time.xcom", "airflow.models.xcom"),
    "XComArg": ("airflow.sdk", "airflow.models.xcom_arg"),
    "conf": ("airflow.sdk.configuration", "airflow.configuration"),
    "determine_kwargs": ("airflow.sdk.bases.decorator", "airflow.utils.operator_helpers"),
    "get_current_context": ("airflow.sdk", "airflow.operators.python"),
    "get_hook_lineage_collector": ("airflow.sdk.lineage", "airflow.lineage.hook"),
    "set_current_context": ("airflow.sdk.execution_time.context", "airflow.models.taskinstance"),
    "task": ("airflow.sdk", "airflow.decorators"),
    "task_decorator_factory": _DECORATORS,
}


def _load(name: str) -> Any:
    for home in _HOMES[name]:
        if home.startswith("airflow.sdk") and AIRFLOW < (3, 0, 0):
            continue
        module, _, other_name = home.partition(":")
        try:
            return getattr(importlib.import_module(module), other_name or name)
        except ModuleNotFoundError as exc:
            # A module that is there and misses another one is broken, and says so.
            if exc.name is None or not f"{module}.".startswith(f"{exc.name}."):
                raise
        except AttributeError:
            continue
    raise ImportError(f"Airflow {_airflow_version} has {name} in none of {', '.join(_HOMES[name])}.")


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = _load(name)
        return value


class _DatasetCollector:
    """Airflow 2's collector under the names that Airflow 3's has."""

    def __init__(self, collector: Any) -> None:
        self._collector = collector

    def add_input_asset(self, *, context: Any, uri: str) -> None:
        self._collector.add_input_dataset(context=context, uri=uri)

    def add_output_asset(self, *, context: Any, uri: str) -> None:
        self._collector.add_output_dataset(context=context, uri=uri)

    @property
    def collected_assets(self) -> Any:
        return self._collector.collected_datasets


def with_asset_names(collector: Any) -> Any:
    """Return Airflow's collector of what hooks read and write, under Airflow 3's names."""
    return collector if hasattr(collector, "add_output_asset") else _DatasetCollector(collector)


def push_outputs(context: Any, result: Any) -> None:
    """Push each value of a task's result under its own key, where Airflow's ``multiple_outputs`` cannot."""
    if MULTIPLE_OUTPUTS or not isinstance(result, dict):
        return
    for key, value in result.items():
        if value is not None:
            context["ti"].xcom_push(key=key, value=value)


def task_runner_sentinel() -> object | None:
    """Return what tells an operator's ``execute`` that Airflow's task runner calls it; None where that is unknown."""
    module = importlib.import_module("airflow.sdk.bases.operator" if AIRFLOW >= (3, 0, 0) else "airflow.models.base")
    safeguard = getattr(module, "ExecutorSafeguard", None)
    return getattr(safeguard, "sentinel_value", None) or getattr(module, "_sentinel", None)


def task_session() -> AbstractContextManager[None]:
    """Let fields of mapped tasks be rendered without a database: Airflow 2 opens a session for it otherwise."""
    if AIRFLOW >= (3, 0, 0):
        return nullcontext()
    from airflow.utils.task_instance_session import set_current_task_instance_session

    session: AbstractContextManager[None] = set_current_task_instance_session(session=object())
    return session


def template_macros() -> Any:
    """Return the ``macros`` of templates."""
    return importlib.import_module("airflow.sdk.execution_time.macros" if AIRFLOW >= (3, 0, 0) else "airflow.macros")
