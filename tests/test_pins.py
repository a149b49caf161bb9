# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The two environments differ in Airflow, and in nothing that code without Airflow uses."""

from __future__ import annotations

from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[1] / "requirements"
SHARED = [
    *("aiohttp", "fsspec", "h11", "httpcore", "httpx", "httpx-aiohttp", "lameenc"),
    *("mutagen", "pydantic", "s3fs", "starlette", "uvicorn", "yarl"),
]


def pins(airflow):
    lines = (REQUIREMENTS / f"airflow-{airflow}.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("name", SHARED)
def test_what_knows_no_airflow_is_the_same_beside_both(name):
    assert pins("3.3.2")[name] == pins("2.11.2")[name]
