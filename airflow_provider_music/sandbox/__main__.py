# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_provider_music.sandbox``: the music API on loopback."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from airflow_provider_music.sandbox.faults import FaultSpecError, parse
from airflow_provider_music.sandbox.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEEDED = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "lameenc": "lameenc",
    "python_multipart": "python-multipart",
}


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_music.sandbox",
        description="The AI/ML API's music models on loopback: real songs, a bill per key, faults on demand.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8787, help="0 picks a free one (default: %(default)s)")
    parser.add_argument("--delay", type=float, default=defaults.delay, help="seconds that a song takes")
    parser.add_argument("--song-seconds", type=float, default=defaults.song_seconds, help="length of a song")
    parser.add_argument("--song-bytes", type=int, help="blow every song up to this size, for load tests")
    parser.add_argument("--log-lag", type=float, default=0.0, help="seconds until a song's row is in /v2/logs")
    parser.add_argument("--balance", type=float, default=defaults.balance, help="USD that each key starts with")
    parser.add_argument("--key", action="append", default=[], help="a valid key; without one, any is valid")
    parser.add_argument("--envelope", choices=["problem", "documented"], default=defaults.envelope)
    parser.add_argument("--any-reference", action="store_true", help="take reference ids never given out")
    parser.add_argument("--any-model", action="store_true", help="take models that the catalogue does not know")
    parser.add_argument("--fault", action="append", default=[], metavar="SPEC", help="as submit:cut-after,times=2")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        settings = Settings(
            delay=options.delay,
            song_seconds=options.song_seconds,
            song_bytes=options.song_bytes,
            log_lag=options.log_lag,
            balance=options.balance,
            envelope=options.envelope,
            keys=tuple(options.key),
            any_reference=options.any_reference,
            any_model=options.any_model,
        )
        for spec in options.fault:
            parse(spec)
    except (ValueError, FaultSpecError) as error:
        parser.error(str(error))
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        sys.stderr.write(f"The sandbox needs {', '.join(missing)}: pip install 'airflow-provider-music[sandbox]'\n")
        return 1
    return _serve(settings, options.host, options.port, options.fault)


def _serve(settings: Settings, host: str, port: int, faults: Sequence[str]) -> int:
    from airflow_provider_music.sandbox.server import READY, listen, make_server
    from airflow_provider_music.sandbox.state import State

    state = State(settings)
    for spec in faults:
        state.faults.add(spec)
    try:
        listener, url = listen(host, port)
    except OSError as error:
        sys.stderr.write(f"The sandbox cannot listen on {host}:{port}: {error.strerror}\n")
        return 1
    print(READY + url, flush=True)  # noqa: T201 - the line that scripts wait for
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(make_server(state).serve(sockets=[listener]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
