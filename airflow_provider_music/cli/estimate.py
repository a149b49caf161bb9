# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``estimate``: the problems of requests and the most that they can cost, from JSON or a DAG file. Sends no request."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_music.cli.definition import CANNOT, OK, WRONG
from airflow_provider_music.cli.output import counted, usd

if TYPE_CHECKING:
    import argparse

    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.cli.output import Output


def run(args: argparse.Namespace, out: Output) -> int:
    """Print one line a request."""
    if args.file.endswith(".py") or Path(args.file).is_dir():
        from airflow_provider_music.cli import dag_files
        from airflow_provider_music.cli.check import report

        loaded = dag_files.load(args.file)
        return report(loaded, args.conn_id, args.max_usd, out, allow_unknown=args.allow_unknown_price)
    text = sys.stdin.read() if args.file == "-" else Path(args.file).read_text(encoding="utf-8")
    try:
        requests = json.loads(text)
    except (ValueError, RecursionError) as exc:
        out.note(f"{args.file} is no JSON: {exc}")
        return CANNOT
    if isinstance(requests, dict):
        requests = requests.get("requests", [requests])
    if not isinstance(requests, list) or not requests:
        out.note(f"{args.file} holds no requests: give a dict of the fields of one song, or a list of them")
        return CANNOT
    return _report(requests, args, out)


def _report(requests: list[Any], args: argparse.Namespace, out: Output) -> int:
    from airflow_provider_music.cli import prices

    prepared = [_prepared(request) for request in requests]
    good = [one for one in prepared if not isinstance(one, list)]
    quotes = prices.quotes(args.conn_id, good)
    priced = iter(quotes)
    documents = []
    for index, one in enumerate(prepared):
        quote = None if isinstance(one, list) else next(priced)
        documents.append(
            {
                "index": index,
                "model": requests[index].get("model") if isinstance(requests[index], dict) else None,
                "problems": one if isinstance(one, list) else [],
                "notes": [] if isinstance(one, list) else list(one.notes),
                "max_usd": quote.usd if quote else None,
                "price": quote.why if quote else None,
            }
        )
    total = prices.total(quotes)
    over = total.over(args.max_usd, allow_unknown=args.allow_unknown_price)
    wrong = len(good) < len(prepared) or over is not None
    plus = f", and {counted(total.unpriced, 'request')} of unknown price" if total.unpriced else ""
    out.show(
        {"ok": not wrong, "max_usd": total.usd, "unpriced": total.unpriced, "over": over, "requests": documents},
        ("#", "model", "", "at most", "what"),
        [_row(document) for document in documents],
        f"{counted(len(requests), 'request')}: at most {usd(total.usd)}{plus}.",
        *([over] if over else []),
    )
    return WRONG if wrong else OK


def _prepared(request: Any) -> PreparedRequest | list[str]:
    """Return a request that is ready to send, or its problems."""
    from airflow_provider_music.api.request import prepare_one
    from airflow_provider_music.api.rights import MISSING, rights_required
    from airflow_provider_music.exceptions import InvalidRequestError

    try:
        prepared = prepare_one(request)
    except InvalidRequestError as exc:
        return exc.problems
    return [MISSING] if prepared.rights is None and rights_required() else prepared


def _row(document: dict[str, Any]) -> tuple[object, ...]:
    bad = bool(document["problems"])
    words = [*document["problems"], *document["notes"], *([document["price"]] if document["price"] else [])]
    amount = "" if bad else usd(document["max_usd"])
    return document["index"], document["model"], "FAIL" if bad else "ok", amount, "\n".join(words)
