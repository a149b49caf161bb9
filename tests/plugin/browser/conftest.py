# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A browser and a real Airflow 3. Without a browser, or without what drives it, these tests say so and are skipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW = "make test-browser, with Debian's chromium"


@pytest.fixture(scope="session")
def chromium():
    """A headless browser."""
    sync_api = pytest.importorskip("playwright.sync_api", reason=f"nothing drives a browser here: {HOW}")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"there is no browser: {HOW}")
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--no-proxy-server"]
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def airflow(chromium, tmp_path_factory):
    """An Airflow whose users sign in."""
    from harness.processes import leave_nothing_behind
    from harness.sandbox import SandboxProcess
    from listening_stage import airflow_with_users, sign_in_api

    leave_nothing_behind()
    sandbox = SandboxProcess(tmp_path_factory.mktemp("sandbox"), "--delay", "12", "--key", "sk-x", key="sk-x")
    airflow = airflow_with_users(tmp_path_factory.mktemp("airflow"), sandbox)
    airflow.start()
    try:
        sign_in_api(airflow)
        yield airflow
    finally:
        airflow.stop()
        sandbox.stop()
    assert airflow.processes.members() == []


@pytest.fixture(scope="session")
def axe():
    """Source of axe-core, which judges how usable a page is without a mouse or eyes."""
    path = Path(__file__).parents[3] / ".browser/axe/package/axe.min.js"
    if not path.is_file():
        pytest.skip(f"axe-core is not there: {HOW}, and npm")
    return path.read_text()
