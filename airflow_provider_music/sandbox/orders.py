# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Taking an order for a song: check it as the API does, and open it if the key can pay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from airflow_provider_music.api import models
from airflow_provider_music.sandbox.catalogue import card_of, song_of
from airflow_provider_music.sandbox.replies import (
    Refusal,
    account_of,
    client_request_id,
    fault_of,
    world_of,
)

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_music.sandbox.world import Generation, Lane, World


def checked(world: World, body: dict[str, Any], lane: Lane) -> dict[str, Any]:
    """Return the body in canonical form.

    :raises Refusal: 404 for a model that is not served here, 400 for a body that is wrong.
    """
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Refusal(400, details=[{"path": "model", "message": "Required"}])
    known = models.find(name)
    if {name, known.id if known else name} & set(world.withdrawn):
        raise Refusal(404, f"The model {name} is no longer available. See GET /v1/models/deprecations.")
    if known is None and world.settings.any_model and lane == "queued":
        return body
    if known is None or known.lane != lane:
        raise Refusal(404, f"The model {name} does not exist at this path.")
    try:
        made = known.model_validate(body)
    except ValidationError as error:
        details = [
            {"path": ".".join(map(str, each["loc"])), "message": each["msg"]}
            for each in error.errors(include_url=False)
        ]
        raise Refusal(400, details=details) from None
    return made.wire()


def open_order(request: Request, body: dict[str, Any], lane: Lane, *, fails: bool = False) -> Generation:
    """Hold the price of a checked body and start its generation.

    :raises Refusal: 403 if the key's balance is used up.
    """
    world, account = world_of(request), account_of(request)
    card = card_of(body["model"])
    if account.left < card.credits:
        raise Refusal(403)
    fault = fault_of(request)
    return world.open_generation(
        card,
        body["model"],
        lane,
        account,
        song_of(body["model"], body, world.settings),
        client_request_id=client_request_id(request.headers.get("x-client-request-id")),
        fails=fails or (fault is not None and fault.fails),
    )
