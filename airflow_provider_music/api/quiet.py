# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps httpx from logging this package's requests: it logs whole URLs, and signed URLs are secrets."""

from __future__ import annotations

import contextlib
import contextvars
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("airflow_provider_music_quiet", default=False)


class _Quiet(logging.Filter):
    """Drops the lines that are logged inside a :func:`quiet` block."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the signature of logging
        return not _quiet.get()


for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_Quiet())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep httpx and httpcore from logging what is requested inside the block."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)
