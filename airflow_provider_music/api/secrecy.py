# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the API key and signed URLs out of logs, tracebacks and what is quoted of a server's words."""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import re
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

E = TypeVar("E", bound=BaseException)

_suppressed: contextvars.ContextVar[bool] = contextvars.ContextVar("airflow_provider_music_suppressed", default=False)


class _Suppressed(logging.Filter):
    """Drops the lines that are logged inside a :func:`suppress_logs` block."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the signature of logging
        return not _suppressed.get()


for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks"):
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


#: A shorter key, as of a sandbox, may be a part of any word: it is masked only where it stands alone.
_LONG_KEY = 8
#: Fields whose values are used, not quoted.
_NO_WORDS = re.compile(r"(?:^|_)(?:id|ids|url|status|model|aliases|audio_file|audio)$")
_USER_INFO = re.compile(r"(?<=://)[^/?#@\s\"'<>]*@")
#: What signs a URL.
_QUERY = re.compile(r"(://[^\s?#\"'<>]*)[?#][^\s\"'<>]*")
_BEARER = re.compile(r"(\bbearer )[^\s\"',;]+", re.IGNORECASE)


def masked(text: str, key: str) -> str:
    """Take the key out of words that are to be quoted, however they spell it.

    For words only, after a response was read: an id, a URL or a field's name may hold the letters of a short key.
    """
    for form in {key, quote(key, safe=""), json.dumps(key)[1:-1]} if key else ():
        if len(form) >= _LONG_KEY:
            text = text.replace(form, "***")
        elif form in text:
            text = re.sub(rf"(?<![\w./-]){re.escape(form)}(?![\w/-]|\.\w)", "***", text)
    return text


def masked_json(body: Any, key: str) -> Any:
    """Take a long key out of the words in a response's JSON: a traceback with locals shows the frames that hold it.

    Ids, URLs and status words stay as they are, and so does everything where the key is short enough to be a part of
    them; :func:`scrubbed` takes such a key out of what is quoted.
    """
    if len(key) < _LONG_KEY:
        return body
    if isinstance(body, str):
        return masked(body, key)
    if isinstance(body, list):
        return [masked_json(item, key) for item in body]
    if isinstance(body, dict):
        return {name: item if _NO_WORDS.search(name) else masked_json(item, key) for name, item in body.items()}
    return body


def scrubbed(text: str, key: str) -> str:
    """Do the same, and take out the secret parts of URLs and any other bearer's token."""
    text = _QUERY.sub(r"\1", _USER_INFO.sub("", masked(text, key)))
    return _BEARER.sub(r"\1***", text)
