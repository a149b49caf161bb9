# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Runs one subject in this process, which nothing else has used, and prints its figures as one line of JSON."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from typing import Any

from inprocess.limits import many_files

FIGURES = "figures "


def main(subject: str, arguments: dict[str, Any]) -> None:
    """``subject`` is ``module.function`` of ``inprocess.subjects``."""
    many_files()
    module, name = subject.rsplit(".", 1)
    # As a triggerer logs: at INFO, and somebody writes the lines down.
    logging.basicConfig(level=logging.INFO, stream=open(os.devnull, "w"), force=True)  # noqa: SIM115, PTH123
    figures = getattr(importlib.import_module(f"inprocess.subjects.{module}"), name)(**arguments)
    print(FIGURES + json.dumps(figures), flush=True)  # noqa: T201 - the line that the parent reads


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
