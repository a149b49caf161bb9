# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The settings, which can be changed while the sandbox runs, and the routes by the names that faults and counts use."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

Envelope = Literal["problem", "documented"]
CREDITS_PER_USD = 2_000_000

UPLOAD_PATH = "/v2/generate/audio/minimax/upload"
GENERATE_PATH = "/v2/generate/audio/minimax/generate"
QUEUED_PATH = "/v2/generate/audio"
PREPROCESS_PATH = "/v2/generate/audio/preprocess"
FILES_PATH = "/moose"
LOGS_PATH = "/v2/logs"
BILLING_PATH = "/v2/billing"
MODELS_PATH = "/v1/models"
DEPRECATIONS_PATH = "/v1/models/deprecations"
CONTROL_PATH = "/_sandbox"

#: name -> (method, path); the path of "download" is a prefix
ROUTES = {
    "upload": ("POST", UPLOAD_PATH),
    "preprocess": ("POST", PREPROCESS_PATH),
    "submit": ("POST", QUEUED_PATH),
    "generate": ("POST", GENERATE_PATH),
    "poll": ("GET", QUEUED_PATH),
    "download": ("GET", FILES_PATH),
    "logs": ("GET", LOGS_PATH),
    "billing": ("GET", BILLING_PATH),
    "models": ("GET", MODELS_PATH),
    "deprecations": ("GET", DEPRECATIONS_PATH),
}
_ROUTE_OF = {call: name for name, call in ROUTES.items() if name != "download"}


def route_of(method: str, path: str) -> str | None:
    """Return the route's name, or None for a path that the API does not have (and for the control endpoints)."""
    if path.startswith(FILES_PATH + "/"):
        return "download"
    return _ROUTE_OF.get(("GET" if method == "HEAD" else method, path))


@dataclass
class Settings:
    """The sandbox's settings.

    :param delay: seconds that a song takes.
    :param song_seconds: length of a song in seconds, where the request does not say; a model's limit caps it.
    :param song_bytes: size in bytes that every song is blown up to, for load tests; None leaves it.
    :param log_lag: seconds between a song's end and its row in ``/v2/logs``.
    :param balance: USD that each key starts with.
    :param envelope: shape of error bodies: "problem" (RFC 9457, seen live) or "documented" (as in the docs).
    :param keys: the keys that are valid; empty accepts any key that is not empty.
    :param any_reference: music-01 takes reference ids that this sandbox never gave out.
    :param any_model: the queued lane takes models that the catalogue does not know, with any body.
    :param created_status: HTTP status of an accepted song, 200 or 201 (the docs have both).
    :param url_seconds: how long a signed URL is good for, in seconds.
    :param max_upload_bytes: size limit of an upload in bytes; above it the response is 413.
    :param pricing: what ``/v1/models`` quotes by model id, as the whole ``pricing`` block; None hides it. What a
        song costs stays as it is.
    :param tell_usage: responses say what they cost, in body and headers; the log says it always.
    :param logs_per_minute: requests that ``/v2/logs`` takes from a key per minute.
    """

    delay: float = 2.0
    song_seconds: float = 20.0
    song_bytes: int | None = None
    log_lag: float = 0.0
    balance: float = 100.0
    envelope: Envelope = "problem"
    keys: tuple[str, ...] = field(default=(), repr=False)
    any_reference: bool = False
    any_model: bool = False
    created_status: int = 200
    url_seconds: float = 86_400.0
    max_upload_bytes: int = 64 * 1024 * 1024
    pricing: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    tell_usage: bool = True
    logs_per_minute: int = 200

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.name != "keys":
                self._check(each.name, getattr(self, each.name))

    def update(self, changes: dict[str, Any]) -> None:
        """Change the named settings, all or none; ``keys`` cannot be changed while the sandbox runs."""
        known = {each.name for each in fields(self)} - {"keys"}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise ValueError(f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        for name, value in changes.items():
            self._check(name, value)
        for name, value in changes.items():
            setattr(self, name, value)

    @staticmethod
    def _check(name: str, value: Any) -> None:
        if name == "envelope":
            good = value in get_args(Envelope)
        elif name in {"any_reference", "any_model", "tell_usage"}:
            good = isinstance(value, bool)
        elif name == "pricing":
            good = isinstance(value, dict) and all(block is None or isinstance(block, dict) for block in value.values())
        elif name == "song_bytes" and value is None:
            good = True
        else:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            good = number and math.isfinite(value) and value >= 0
            if name in {"song_bytes", "created_status", "max_upload_bytes", "logs_per_minute"}:
                good = good and isinstance(value, int)
            if name == "created_status":
                good = good and value in {200, 201}
            if name == "song_seconds":
                good = good and value > 0
        if not good:
            raise ValueError(f"setting {name} cannot be {value!r}")
