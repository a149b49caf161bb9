# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Which commands there are, and what each takes. Every ``airflow`` command reads this: it imports hardly anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Exit codes: all is well; something is not as it has to be; the command could not run; a paid request is in doubt.
OK, WRONG, CANNOT, IN_DOUBT = 0, 1, 2, 3


@dataclass(frozen=True)
class Argument:
    """One argument of a command, as argparse takes it."""

    flags: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """One command: its module in this folder has ``run(args, out)``, which returns the exit code."""

    name: str
    help: str
    module: str
    arguments: tuple[Argument, ...] = ()
    #: Whether it prints a table, or JSON where that is wanted; False too where its own arguments say how it prints.
    shows_table: bool = True


def _argument(*flags: str, **options: Any) -> Argument:
    """Make an argument from what ``add_argument`` takes."""
    return Argument(flags, options)


_CONN_ID = _argument("--conn-id", default="music_default", help="Airflow connection id (default: music_default)")
_ROOT = _argument("--output-dir", help="folder of songs and records (default: [music] record_dir or output_dir)")
_LIMIT = _argument("--max-usd", type=float, help="exit with 1 where it could cost more than that many US dollars")
_OUTPUT = _argument("--output", "-o", choices=("table", "json"), default="table", help="for people, or for scripts")

COMMANDS: tuple[Command, ...] = (
    Command(
        "doctor",
        "is everything set up? each line is ok, or says what to do",
        "doctor",
        (_CONN_ID, _ROOT),
    ),
    Command("models", "the models, what they cost now, and which are withdrawn", "models", (_CONN_ID,)),
    Command(
        "estimate",
        "the problems of requests, and the most that they can cost; sends nothing",
        "estimate",
        (
            _argument("file", help="requests as JSON (one or a list), or a DAG file"),
            _LIMIT,
            _argument("--allow-unknown-price", action="store_true", help="with --max-usd: pass what is unpriced"),
            _CONN_ID,
        ),
    ),
    Command(
        "check",
        "the mistakes of DAG files that can be seen before they run, and what a run can cost",
        "check",
        (_argument("paths", nargs="+", metavar="path", help="DAG files, or folders of them"), _LIMIT, _CONN_ID),
    ),
    Command(
        "try",
        "generate one song into the current folder, without a DAG; PAID, asks first",
        "try_song",
        (
            _argument("prompt", nargs="?", help="what it is to sound like"),
            _argument("--model", default="minimax/music-2.6", help="a queued model (default: minimax/music-2.6)"),
            _argument("--lyrics", help="words to sing"),
            _argument(
                "--field", action="append", default=[], metavar="NAME=VALUE", help="another field of the request"
            ),
            _argument("--resume", metavar="FOLDER", help="go on with a song that an earlier call paid for; free"),
            _argument("--yes", "-y", action="store_true", help="pay without a question"),
            _argument("--max-usd", type=float, help="do not pay more than that many US dollars"),
            _argument("--no-play", action="store_true", help="do not play the song"),
            _argument("--timeout", type=float, default=1800.0, help="seconds to wait (default: 1800)"),
            _CONN_ID,
        ),
    ),
    Command(
        "songs",
        "the songs whose records lie below a folder, newest first",
        "songs",
        (
            _argument("folder", nargs="?", help="a folder or a URL (default: [music] record_dir or output_dir)"),
            _argument("--limit", type=int, default=50, help="most rows (default: 50)"),
        ),
    ),
    Command(
        "show",
        "one song: what happened to each of its takes, and when",
        "show",
        (_argument("path", help="a record: the folder of a song or a take, or a file in it"),),
    ),
    Command(
        "audit",
        "the bill of a span of time, each row explained by the records; free, sends no request for a song",
        "audit",
        (
            _argument(
                "folders", nargs="*", metavar="folder", help="of records (default: [music] record_dir or output_dir)"
            ),
            _argument("--since", default="7d", help="ISO 8601 in UTC, or how long before --until (default: 7d)"),
            _argument("--until", help="ISO 8601 in UTC, or how long ago (default: now)"),
            _argument("--adopt", action="store_true", help="land what is paid and still to be had"),
            _argument("--music-only", action="store_true", help="set rows of models aside that are no music models"),
            _argument("--max-rows", type=int, default=100_000, help="most rows of the log (default: 100000)"),
            _CONN_ID,
            _argument(
                *("--output", "-o"), choices=("table", "json", "csv"), default="table", help="csv is for spreadsheets"
            ),
        ),
        shows_table=False,
    ),
    Command(
        "verify",
        "verify songs against their provenance manifests",
        "verify",
        (_argument("paths", nargs="+", metavar="path", help="a song, its manifest, or a folder; local or a URL"),),
        shows_table=False,
    ),
    Command(
        "adopt",
        "give the record of a lost answer the generation that was paid for; free, sends no request for a song",
        "adopt",
        (
            _argument(
                "generation_id",
                help="the id, such as the inference_id in the usage log; one that begins with a hyphen goes behind --",
            ),
            _argument("record", help="the record that the task's error names: the folder of the song or of its take"),
            _argument("--yes", "-y", action="store_true", help="also where the usage log does not tie them together"),
            _CONN_ID,
        ),
    ),
    Command(
        "sandbox",
        "the music API on this machine: songs that play, a bill, faults on demand; free",
        "sandbox",
        (
            _argument("--host", help="address to listen on (default: 127.0.0.1)"),
            _argument("--port", type=int, help="0 picks a free one (default: 8787)"),
            _argument("--delay", type=float, help="seconds that a song takes"),
            _argument("--song-seconds", type=float, help="length of a song"),
            _argument("--song-bytes", type=int, help="blow every song up to this size, for load tests"),
            _argument("--log-lag", type=float, help="seconds until a song's row is in /v2/logs"),
            _argument("--balance", type=float, help="USD that each key starts with"),
            _argument("--key", action="append", help="a valid key; without one, any is valid"),
            _argument("--envelope", choices=("problem", "documented"), help="shape of error bodies"),
            _argument("--any-reference", action="store_true", help="take reference ids never given out"),
            _argument("--any-model", action="store_true", help="take models that the catalogue does not know"),
            _argument("--fault", action="append", metavar="SPEC", help="as submit:cut-after,times=2"),
        ),
        shows_table=False,
    ),
)


def arguments_of(command: Command) -> tuple[Argument, ...]:
    """Return all arguments of a command."""
    return (*command.arguments, _OUTPUT) if command.shows_table else command.arguments
