# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the API key and signed URLs out of logs, tracebacks and what is quoted of a server's words."""

from __future__ import annotations

import contextlib
import contextvars
import logging
from typing import TYPE_CHECKING, TypeVar

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

E = TypeVar("E", bound=BaseException)

_suppressed: contextvars.ContextVar[bool] = contextvars.ContextVar("airflow_provider_music_suppressed", default=False)


class _Suppressed(logging.Filter):
    """Drops the lines that are logged inside a :func:`suppress_logs` block."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the signature of logging
        return not _suppressed.get()


for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_Suppressed())


@contextlib.contextmanager
def suppress_logs() -> Iterator[None]:
    """Keep httpx and httpcore from logging what is requested inside the block: they log whole URLs."""
    token = _suppressed.set(True)
    try:
        yield
    finally:
        _suppressed.reset(token)


def strip_traceback(error: E) -> E:
    """Take the frames from an error and from all that led to it, and return it, to be raised where no secret stands.

    A traceback with locals, as error reporters draw it, shows what the frames hold: signed URLs, headers, the key.
    """
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or (one.__traceback__ is None and one is not error):
            continue
        one.__traceback__ = None
        # httpx hangs the request on its errors; shown, it shows its URL.
        if hasattr(one, "_request"):
            one._request = None  # noqa: SLF001 - httpx has no other way to forget it
        todo += [one.__cause__, one.__context__]
    return error


def without_key(content: bytes, key: bytes) -> bytes:
    """Take the key out of what a server said: it would be quoted in logs, facts and errors."""
    return content.replace(key, b"***") if key and key in content else content


def headers_without_key(headers: httpx.Headers, key: bytes) -> httpx.Headers:
    """Do the same for a response's headers."""
    raw = headers.raw
    if not key or not any(key in value for _, value in raw):
        return headers
    return httpx.Headers([(name, without_key(value, key)) for name, value in raw])
