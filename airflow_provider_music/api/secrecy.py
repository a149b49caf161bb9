# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps httpx from logging this package's requests: it logs whole URLs, and signed URLs are secrets."""

from __future__ import annotations

import contextlib
import contextvars
import logging
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

E = TypeVar("E", bound=BaseException)

_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("airflow_provider_music_quiet", default=False)


class _Quiet(logging.Filter):
    """Drops the lines that are logged inside a :func:`quiet` block."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the signature of logging
        return not _quiet.get()


for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_Quiet())


def bare(error: E) -> E:
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep httpx and httpcore from logging what is requested inside the block."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)
