# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Storage calls from an event loop: the store's connection looked up where that is safe, the rest in our threads.

Not asyncio's default threads: a triggerer has one set of them for everybody, six on a small machine, and a store
that hangs would take them all.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async

from airflow_provider_music.storage.folder import Folder, is_local

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 8
#: Scheme and host (with the connection's id) of the stores that this process has connected.
_connected: set[str] = set()


@functools.lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="airflow-music")


# A forked child has the pool, but none of its threads: it would wait for ever.
os.register_at_fork(after_in_child=_pool.cache_clear)


async def connect_store(url: str) -> None:
    """Look up the connection of an object store, so that no thread of ours ever does.

    In a triggerer of Airflow 3.0 and 3.1 a look-up from a thread other than asgiref's ends the process. Airflow keeps
    a store that is connected.

    :raises OutputError: no storage is installed or configured for this URL.
    """
    # Not a Folder of it: to make one looks the connection up, here in the loop.
    store = "://".join(urlsplit(url)[:2])
    if not is_local(url) and store not in _connected:
        await sync_to_async(lambda: Folder(url).fs)()
        _connected.add(store)


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it in a thread, with the caller's context variables (Airflow's log records are found by them)."""
    context = contextvars.copy_context()
    call = functools.partial(context.run, work, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_pool(), call)
