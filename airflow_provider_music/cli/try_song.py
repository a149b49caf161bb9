# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``try``: one song into the current folder, without a DAG. Paid: it says the price and asks first.

It is recorded and submitted as a task's song is, once, with the record in a folder beside the song; whatever breaks
behind the request, ``try --resume <folder>`` goes on with it and pays nothing.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shlex
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_music.cli.definition import CANNOT, IN_DOUBT, OK, WRONG
from airflow_provider_music.cli.output import usd

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.cli.output import Output
    from airflow_provider_music.record.take import Take

_SLUG = re.compile(r"[^a-z0-9]+")
_SLUG_LENGTH = 40
_YES = ("y", "yes")


def run(args: argparse.Namespace, out: Output) -> int:
    """Generate a song, or go on with one."""
    if args.resume:
        from airflow_provider_music.cli.records import absolute

        return _follow(Path(absolute(args.resume)), args, out, None)
    if not args.prompt:
        out.note('Nothing to generate: try "calm piano", or --resume FOLDER.')
        return CANNOT
    request = _request(args, out)
    if request is None or not _agreed(request, args, out):
        return WRONG
    name = _SLUG.sub("-", args.prompt.lower()).strip("-")[:_SLUG_LENGTH].strip("-") or "song"
    return _follow(Path.cwd() / f"{name}-{uuid.uuid4().hex[:8]}", args, out, request)


# Before anything is paid


def _request(args: argparse.Namespace, out: Output) -> PreparedRequest | None:
    from airflow_provider_music.api.request import prepare_one
    from airflow_provider_music.api.rights import MISSING, rights_required
    from airflow_provider_music.api.templated import parse_templated
    from airflow_provider_music.exceptions import InvalidRequestError

    fields = {"model": args.model, "prompt": args.prompt, "lyrics": args.lyrics}
    for each in args.field:
        name, equals, value = each.partition("=")
        if not equals:
            out.note(f"--field {each}: give NAME=VALUE.")
            return None
        fields[name] = parse_templated(value)
    try:
        request = prepare_one({name: value for name, value in fields.items() if value is not None})
    except InvalidRequestError as exc:
        out.note(str(exc))
        return None
    if request.lane != "queued":
        out.note(f"{args.model} answers with the song in one long request, and needs an upload before: use a DAG.")
        return None
    if request.rights is None and rights_required():
        out.note(f"{MISSING} Here: --field rights=TEXT.")
        return None
    for note in request.notes:
        out.note(note)
    return request


def _agreed(request: PreparedRequest, args: argparse.Namespace, out: Output) -> bool:
    """Say what it costs, and ask; False where nothing may be paid."""
    from airflow_provider_music.api import endpoints
    from airflow_provider_music.cli import prices
    from airflow_provider_music.hooks.clients import sync_client_of

    client = sync_client_of(args.conn_id)
    balance = client.call(endpoints.billing())
    (quote,) = prices.quotes(args.conn_id, [request])
    price = f"at most {usd(quote.usd)}" if quote.usd is not None else f"its price is not known: {quote.why}"
    out.note(
        f"{args.model} at {client.settings.base_url}: {price}; balance {usd(balance.amount)}; usually ready in about "
        f"{request.usual_seconds:.0f} s."
    )
    over = prices.total([quote]).over(args.max_usd, allow_unknown=False)
    if over is not None:
        out.note(f"{over} Nothing was sent.")
        return False
    if args.yes:
        return True
    if not sys.stdin.isatty():
        out.note("Nothing was sent: there is nobody to ask here. Give --yes to pay.")
        return False
    sys.stderr.write("Generate and pay? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in _YES:
        return True
    out.note("Nothing was sent.")
    return False


# The song


def _follow(folder: Path, args: argparse.Namespace, out: Output, request: PreparedRequest | None) -> int:
    """Submit a request, or go on with what the folder's record says where there is none; then wait and land."""
    from airflow_provider_music.cli import one_song
    from airflow_provider_music.exceptions import MusicError

    song = one_song.OneSong(folder, args.conn_id, args.timeout, request)
    how = f"python -m airflow_provider_music try --resume {shlex.quote(str(folder))}"
    if request is not None:
        # Before anything is sent: whatever happens to this process, the request can be found by this.
        out.note(f"X-Client-Request-Id {song.request_id}, record in {folder}\nIf this is interrupted: {how}")
    try:
        with _progress(out):
            status, take = song.run()
    except KeyboardInterrupt:
        out.note(f"A request that was sent keeps running and is billed. To go on, free: {how}")
        raise
    except MusicError as exc:
        take = song.record.latest()
        out.note(f"{exc}\nTo go on, free: {how}" if take is not None else str(exc))
        return IN_DOUBT if take is not None and take.billing != "not_billed" else CANNOT
    if status != "ready":
        return _without_song(status, take, how, out)
    return _delivered(song, folder, args, out)


def _without_song(status: str, take: Take | None, how: str, out: Output) -> int:
    from airflow_provider_music.generation import errors

    if take is None:
        out.note("Nothing was sent.")
        return WRONG
    if take.state == "failed":
        out.note(f"The request failed and is not billed: {take['failed'].get('reason')}")
        return WRONG
    if take.state == "unknown":
        out.note(
            f"{str(errors.unknown(take, 'fail')).partition('Nothing is sent again')[0]}Once the log has an "
            f"inference_id: python -m airflow_provider_music adopt -- <inference_id> {take.folder.url}, then {how}"
        )
        return IN_DOUBT
    out.note(f"Not ready yet ({status}). Generation {take.generation_id} keeps running and is billed. To go on: {how}")
    return IN_DOUBT


def _delivered(song: Any, folder: Path, args: argparse.Namespace, out: Output) -> int:
    from airflow_provider_music.cli.player import play

    result, landed = song.delivered()
    file = _beside(landed, folder)
    audio, spent = result["audio"], result["usage"].get("usd_spent")
    out.show(
        {**result, "file": str(file)},
        (),
        (),
        str(file),
        f"{audio['duration_ms'] / 1000:.1f} s {audio['format']}, {usd(spent)}, generation {result['generation_id']}"
        if audio.get("duration_ms") is not None
        else f"{audio['format']}, {usd(spent)}, generation {result['generation_id']}",
    )
    if not args.no_play and not out.as_json:
        played = play(file)
        out.note(played)
    return OK


def _beside(landed: Path, folder: Path) -> Path:
    """Give the song its name in the current folder: a second name of the same file where the disk can, or a copy."""
    import os
    import shutil

    from airflow_provider_music.provenance import manifest_name

    file = folder.parent / f"{folder.name}{landed.suffix}"
    pairs = ((landed, file), (landed.with_name(manifest_name(landed.name)), file.with_name(manifest_name(file.name))))
    for source, target in pairs:
        if target.exists() or not source.exists():
            continue
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    return file


@contextlib.contextmanager
def _progress(out: Output) -> Iterator[None]:
    """Show what the wait reports, a line at each change."""
    logger = logging.getLogger(__name__.partition(".")[0])
    before = logger.level
    if not out.as_json:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
