# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a DAG file's import costs where Airflow's own is there already; each in a process of its own."""

from __future__ import annotations

import importlib
import time
from typing import Any


def importing(modules: list[str]) -> dict[str, Any]:
    """CPU and wall seconds of importing the modules after what every DAG file imports."""
    try:
        importlib.import_module("airflow.sdk").DAG  # noqa: B018 - it is loaded when it is asked for
        importlib.import_module("airflow.sdk").task  # noqa: B018
        importlib.import_module("airflow.sdk").BaseOperator  # noqa: B018
    except ImportError:
        for name in ("airflow.models.dag", "airflow.models.baseoperator", "airflow.decorators"):
            importlib.import_module(name)
    cpu, wall = time.process_time(), time.perf_counter()
    for name in modules:
        importlib.import_module(name)
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
