# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the same coroutines on a worker that the triggerer runs, so that there is one way to ask and to wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_music.hooks.clients import close_clients

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def run_here(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own and close the loop's connections."""

    async def closing() -> T:
        try:
            return await work
        finally:
            await close_clients()

    return asyncio.run(closing())
