# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The names of the API's routes, as faults, counts and tests use them."""

from __future__ import annotations

ROUTES = (
    "upload",
    "submit",
    "generate",
    "poll",
    "download",
    "logs",
    "billing",
    "models",
    "deprecations",
)

UPLOAD_PATH = "/v2/generate/audio/minimax/upload"
GENERATE_PATH = "/v2/generate/audio/minimax/generate"
QUEUED_PATH = "/v2/generate/audio"
LOGS_PATH = "/v2/logs"
BILLING_PATH = "/v2/billing"
MODELS_PATH = "/v1/models"
DEPRECATIONS_PATH = "/v1/models/deprecations"
FILES_PATH = "/moose"
CONTROL_PATH = "/_sandbox"

_BY_CALL = {
    ("POST", UPLOAD_PATH): "upload",
    ("POST", GENERATE_PATH): "generate",
    ("POST", QUEUED_PATH): "submit",
    ("GET", QUEUED_PATH): "poll",
    ("GET", LOGS_PATH): "logs",
    ("GET", BILLING_PATH): "billing",
    ("GET", MODELS_PATH): "models",
    ("GET", DEPRECATIONS_PATH): "deprecations",
}


def route_of(method: str, path: str) -> str | None:
    """Return the route's name, or None for a path that the API does not have (and for the controls)."""
    if path.startswith(FILES_PATH + "/"):
        return "download"
    return _BY_CALL.get(("GET" if method == "HEAD" else method, path))
