# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``models``: the catalogue, with the prices and withdrawals that the API reports now. Free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.cli.definition import OK, WRONG
from airflow_provider_music.cli.output import usd

if TYPE_CHECKING:
    import argparse

    from airflow_provider_music.api.endpoints import Deprecation
    from airflow_provider_music.cli.output import Output

_COLUMNS = ("model", "lane", "usual", "longest", "at most a song", "price", "status")


def run(args: argparse.Namespace, out: Output) -> int:
    """Print one line a model."""
    from airflow_provider_music.api.models import CATALOGUE
    from airflow_provider_music.cli import prices
    from airflow_provider_music.exceptions import CredentialsError, MusicError

    code, gone, why = OK, {}, None
    try:
        gone = _withdrawn(args.conn_id)
    except CredentialsError as exc:
        why = str(exc)
    except MusicError as exc:
        code, why = WRONG, str(exc)
    requests = [prices.of_model(known.id) for known in CATALOGUE]
    quotes = prices.quotes(args.conn_id, requests) if why is None else [None] * len(requests)
    models = []
    for known, quote in zip(CATALOGUE, quotes, strict=True):
        fields = {"required": list(known.required), "all": list(known.fields())}
        models.append(
            {
                "id": known.id,
                "aliases": list(known.aliases),
                "lane": known.lane,
                "usual_seconds": known.usual_seconds,
                "max_seconds": known.max_seconds,
                "fields": fields,
                "max_usd": quote.usd if quote else None,
                "price": quote.why if quote else None,
                **_status(next((gone[name] for name in (known.id, *known.aliases) if name in gone), None)),
            }
        )
    out.show({"models": models, "live": why is None, "reason": why}, _COLUMNS, [_row(model) for model in models])
    if why is not None:
        out.note(f"Prices and withdrawals are not known: {why}")
    return code


def _withdrawn(conn_id: str) -> dict[str, Deprecation]:
    from airflow_provider_music.api import endpoints
    from airflow_provider_music.hooks.clients import sync_client_of

    rows = sync_client_of(conn_id).call(endpoints.deprecations())
    return {name: row for row in rows for name in row.names}


def _status(row: Deprecation | None) -> dict[str, str | None]:
    return {"status": row.status if row else None, "replaced_by": row.replaced_by if row else None}


def _row(model: dict[str, Any]) -> tuple[object, ...]:
    instead = f", use {model['replaced_by']}" if model["replaced_by"] else ""
    return (
        " or ".join([model["id"], *model["aliases"]]),
        model["lane"],
        f"{model['usual_seconds']:g} s",
        f"{model['max_seconds']:g} s" if model["max_seconds"] else "",
        usd(model["max_usd"]),
        model["price"],
        f"{model['status']}{instead}" if model["status"] else "",
    )
