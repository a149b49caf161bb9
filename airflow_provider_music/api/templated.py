# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Reads a templated value: Airflow renders a dict or a list as text, in JSON or in Python's notation."""

from __future__ import annotations

import ast
import json
from typing import Any


def parse_templated(value: Any, kind: type = object) -> Any:
    """Return what a text holds, if it is JSON or a Python literal; any other value is returned as it is.

    :param kind: what the text has to hold; with ``dict``, a text that holds a number stays text.
    """
    if not isinstance(value, str):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            parsed = parse(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return parsed if isinstance(parsed, kind) else value
    return value
