# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Pytest fixtures for tests of DAGs: ``pytest_plugins = ["airflow_provider_music.sandbox.fixtures"]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_music.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def music_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Return a running sandbox with nothing in it; the connection ``music_default`` leads to it."""
    with Sandbox() as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", sandbox.connection_json())
        yield sandbox


@pytest.fixture
def run_music_task(music_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return :func:`airflow_provider_music.testing.run_task`; the API is the sandbox, songs go below ``tmp_path``.

    Where a task names no folder, that is: ``[music] output_dir`` is ``tmp_path / "songs"``, ``record_dir`` is not set.
    """
    from airflow_provider_music.testing import run_task

    del music_sandbox
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", str(tmp_path / "songs"))
    monkeypatch.delenv("AIRFLOW__MUSIC__RECORD_DIR", raising=False)
    return run_task
