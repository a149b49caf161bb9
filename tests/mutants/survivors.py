# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Mutations that no test catches, and why none has to: by their names as ``make mutants`` builds them."""

from __future__ import annotations

SURVIVORS: dict[str, str] = {}
