# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A pytest fixture for tests of DAGs: ``pytest_plugins = ["airflow_provider_music.sandbox.fixtures"]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_music.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def music_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Return a running sandbox with nothing in it; the connection ``music_default`` leads to it."""
    with Sandbox() as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", sandbox.connection_json())
        yield sandbox
