# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""How a trigger begins and ends without harm to the triggerer's loop or to its task."""

from __future__ import annotations

import asyncio
import gc
import importlib
import weakref
from typing import TYPE_CHECKING, Any

from airflow_provider_music.generation import clock

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

#: The scheduler may fail a deferred task whose trigger fires before it has seen the worker's exit.
HOLD_BACK_SECONDS = 5.0

_loaded: dict[str, Any] = {}
_loading: weakref.WeakKeyDictionary[AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


async def loaded(name: str) -> Any:
    """Return a module, imported in a thread: the HTTP client and the catalogue would block the loop for a second."""
    if name not in _loaded:
        loop = asyncio.get_running_loop()
        # One thread, however many triggers start together; and never a half-imported module, which stands in
        # sys.modules before it can be used.
        async with _loading.setdefault(loop, asyncio.Lock()):
            if name not in _loaded:
                _loaded[name] = await asyncio.to_thread(importlib.import_module, name)
                # What stands now is Airflow's and ours for the life of the process. Looked through at every full
                # collection, its 150,000 objects and more stop the loop for 0.2 s as soon as some hundred waits begin.
                gc.freeze()
    return _loaded[name]


async def hold_back(asked_at: float) -> None:
    """Wait for the rest of the first seconds after ``asked_at`` (seconds since 1970).

    The scheduler can fail a task that comes back sooner than it has seen the worker's exit.
    """
    early = asked_at + HOLD_BACK_SECONDS - clock.now()
    if 0 < early <= HOLD_BACK_SECONDS:
        await clock.sleep(early)
