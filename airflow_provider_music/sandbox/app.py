# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The sandbox as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from airflow_provider_music.sandbox import account, control, queued, routes, synchronous
from airflow_provider_music.sandbox.mishaps import Mishaps
from airflow_provider_music.sandbox.replies import on_refusal

if TYPE_CHECKING:
    from airflow_provider_music.sandbox.world import World


def make_app(world: World) -> Starlette:
    """Return the API over this state."""
    app = Starlette(
        routes=[
            Route(routes.UPLOAD_PATH, synchronous.upload, methods=["POST"]),
            Route(routes.GENERATE_PATH, synchronous.generate, methods=["POST"]),
            Route(routes.QUEUED_PATH, queued.submit, methods=["POST"]),
            Route(routes.QUEUED_PATH, queued.poll, methods=["GET"]),
            Route(routes.FILES_PATH + "/{name:path}", queued.download, methods=["GET"]),
            Route(routes.BILLING_PATH, account.billing, methods=["GET"]),
            Route(routes.LOGS_PATH, account.logs, methods=["GET"]),
            Route(routes.DEPRECATIONS_PATH, account.deprecations, methods=["GET"]),
            Route(routes.MODELS_PATH, account.models, methods=["GET"]),
            *control.ROUTES,
        ],
        middleware=[Middleware(Mishaps, world=world)],
        exception_handlers={HTTPException: on_refusal},
    )
    app.state.world = world
    return app
