# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Ends a process at every point where it touches storage, the network or the clock, one point per life."""

from __future__ import annotations

import functools
import os
import signal
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from httpx_aiohttp import AiohttpTransport

from airflow_provider_music.generation import runtime as clock
from airflow_provider_music.record import lease
from airflow_provider_music.storage.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


MOST_POINTS = 5_000


class Died(BaseException):
    """The process is gone; nothing it would still do may happen."""


@dataclass
class Mortality:
    """Counts the points of a life, and ends it at one of them.

    :param at: which point is the last; None lives on.
    :param on: or the first point of that name is the last.
    :param kill: end the whole process with SIGKILL, instead of raising from here on.
    """

    at: int | None = None
    kill: bool = False
    on: str | None = None
    points: list[str] = field(default_factory=list)
    dead: bool = False
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    def point(self, name: str) -> None:
        if self.dead:
            raise Died(name)
        if self.at == len(self.points) or self.on == name:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            self.dead = True
            raise Died(name)
        self.points.append(name)
        # No life has so many: a wait that reads its record again and again without waiting would never end.
        assert len(self.points) < MOST_POINTS, self.points[-20:]


def instrument(monkeypatch: pytest.MonkeyPatch, mortality: Callable[[], Mortality]) -> None:
    """Put a point before and after every touch of the outer world, and give each life a process of its own."""
    monkeypatch.setattr(lease, "process_started", lambda pid: f"{pid}/{mortality().name}")
    for name in ("read", "create", "replace", "open_new", "move", "remove", "size", "open", "names"):
        monkeypatch.setattr(Folder, name, _around(getattr(Folder, name), f"folder.{name}", mortality))
    for transport in (httpx.AsyncHTTPTransport, AiohttpTransport):
        send = _around_async(transport.handle_async_request, "http", mortality)
        monkeypatch.setattr(transport, "handle_async_request", send)
    monkeypatch.setattr(clock, "sleep", _around_async(clock.sleep, "sleep", mortality))
    monkeypatch.setattr(httpx.Response, "aiter_raw", _around_each(httpx.Response.aiter_raw, "http.body", mortality))


def _label(name: str, args: tuple[Any, ...]) -> str:
    what = args[1] if len(args) > 1 else None
    if isinstance(what, httpx.Request):
        return f"{name}({what.method} {what.url.path})"
    return f"{name}({what})" if isinstance(what, str) else name


def _around(call: Any, name: str, mortality: Callable[[], Mortality]) -> Any:
    @functools.wraps(call)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        label = _label(name, args)
        mortality().point(f"before {label}")
        result = call(*args, **kwargs)
        mortality().point(f"after {label}")
        return result

    return wrapped


def _around_async(call: Any, name: str, mortality: Callable[[], Mortality]) -> Any:
    @functools.wraps(call)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        label = _label(name, args)
        mortality().point(f"before {label}")
        result = await call(*args, **kwargs)
        mortality().point(f"after {label}")
        return result

    return wrapped


def _around_each(call: Any, name: str, mortality: Callable[[], Mortality]) -> Any:
    @functools.wraps(call)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        async for item in call(*args, **kwargs):
            mortality().point(f"at {name}")
            yield item

    return wrapped
