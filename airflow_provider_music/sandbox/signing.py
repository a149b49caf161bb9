# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Signed URLs of finished songs: whoever has one may read the file until it expires."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

from airflow_provider_music.sandbox.replies import world_of
from airflow_provider_music.sandbox.routes import FILES_PATH

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_music.sandbox.world import Generation

ACCESS_KEY_ID = "LTAI5tSandbox"


def signed_url(request: Request, generation: Generation, *, expired: bool = False) -> str:
    """Return the URL of a song on this server, as the API's storage signs it."""
    world = world_of(request)
    path = f"{FILES_PATH}/music%2F{generation.file_name}"
    expires = int(time.time() + (-60 if expired else world.settings.url_seconds))
    signature = quote(_signature(world.signing_key, path, str(expires)), safe="")
    origin = f"{request.url.scheme}://{request.url.netloc}"
    return f"{origin}{path}?Expires={expires}&OSSAccessKeyId={ACCESS_KEY_ID}&Signature={signature}"


def is_good(request: Request) -> bool:
    """Whether the request's signature fits its path, byte for byte, and has not expired."""
    query = parse_qs(request.url.query)
    expires, given = query.get("Expires", [""])[0], query.get("Signature", [""])[0]
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    right = _signature(world_of(request).signing_key, path.partition(b"?")[0].decode("latin-1"), expires)
    return hmac.compare_digest(right.encode(), given.encode()) and expires.isdigit() and int(expires) > time.time()


def _signature(key: bytes, path: str, expires: str) -> str:
    digest = hmac.new(key, f"GET\n{expires}\n{path}".encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
