# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What one queued song costs a worker and a store: ``python tests/benchmarks/cost_of_a_song.py``.

File reads on a local store, requests to S3 as its server counts them, own CPU of both halves of the task on a worker,
and what they import. The package of the current folder is measured, so one copy of this program can measure several
states of the package. Only what Airflow itself calls is called: ``execute``, the trigger as it is serialized, and the
method that it resumes with. Each part of a task has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

from one_song.import_times import by_package, dearest_trees, imported_after_mark
from one_song.s3_reasons import by_reason
from one_song.s3_requests import KINDS, READS
from one_song.stage import PACKAGE, PARTS, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from one_song.stage import Part

_MEASURES = ("files", "s3", "cpu", "imports")
_ON_WORKER = ("first", "second")
_LABELS = {
    "first": "first half (worker)",
    "wait": "wait (triggerer)",
    "second": "second half (worker)",
    "all": "whole song",
}


def main() -> None:
    """Run the chosen measures and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=_MEASURES, default=_MEASURES, help="these measures alone")
    parser.add_argument("--mapped", type=int, metavar="SONGS", help="only: a mapped task of so many songs, in S3")
    parser.add_argument("--times", type=int, default=7, help="processes for each half's CPU (default %(default)s)")
    parser.add_argument("--detail", action="store_true", help="name each file and each S3 request")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--profiles", metavar="PREFIX", help="only leave one song's cProfile files there")
    chosen = parser.parse_args()
    if not (Path.cwd() / PACKAGE).is_dir():
        parser.error(f"{Path.cwd()} holds no {PACKAGE}; run it from the root of the tree that is to be measured")
    figures: dict[str, Any] = {}
    with Stage(Path.cwd()) as stage:
        if chosen.profiles:
            stage.song(stage.local, profiles=str(Path(chosen.profiles).absolute()))
            return
        if chosen.mapped:
            mapped(stage.mapped(stage.remote, chosen.mapped), chosen.mapped)
            return
        if "files" in chosen.only:
            figures["files"] = files(stage.song(stage.local, count_files=True), detail=chosen.detail)
        if "s3" in chosen.only:
            figures["s3"] = s3(stage.song(stage.remote), detail=chosen.detail)
        if "cpu" in chosen.only:
            figures["cpu"] = cpu([stage.song(stage.local) for _ in range(chosen.times)])
        if "imports" in chosen.only:
            figures["imports"] = imports(stage.song(stage.local, python=("-X", "importtime")))
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")


def files(song: Mapping[str, Part], *, detail: bool) -> dict[str, Any]:
    """Opens for reading and listings, by part."""
    say("\n## File reads below the output folder, local store\n")
    say("| part | opens for reading | listings |\n|---|---|---|")
    found = {name: {kind: sum(part.figures[kind].values()) for kind in _READS} for name, part in song.items()}
    found["all"] = {kind: sum(each[kind] for each in found.values()) for kind in _READS}
    for name, counts in found.items():
        say(f"| {_LABELS[name]} | {counts['opened']} | {counts['listed']} |")
    if detail:
        for name, part in song.items():
            for kind in _READS:
                counted = Counter({path.rpartition("/")[2]: n for path, n in part.figures[kind].items()})
                say(f"\n{_LABELS[name]}, {kind}: " + ", ".join(f"{file} x{n}" for file, n in counted.most_common()))
    return found


def s3(song: Mapping[str, Part], *, detail: bool) -> dict[str, Any]:
    """Requests to S3 by kind, by part."""
    say("\n## Requests to S3, counted at the server\n")
    say(f"| part | {' | '.join(KINDS)} | reads | all | not found |\n|---|{'---|' * (len(KINDS) + 3)}")
    requests = {name: part.requests for name, part in song.items()}
    requests["all"] = [request for part in song.values() for request in part.requests]
    found = {name: Counter(request["kind"] for request in each) for name, each in requests.items()}
    for name, counts in found.items():
        reads = sum(counts[kind] for kind in READS)
        missing = sum(request["status"] == HTTPStatus.NOT_FOUND for request in requests[name])
        row = " | ".join(str(counts[kind]) for kind in KINDS)
        say(f"| {_LABELS[name]} | {row} | {reads} | {counts.total()} | {missing} |")
    if detail:
        for name, part in song.items():
            say(f"\n{_LABELS[name]}, in order:\n")
            for request in part.requests:
                say(f"    {request['kind']:6} {request['status']} {request['name']}")
    return {name: dict(counts) for name, counts in found.items()}


def mapped(parts: Mapping[str, Part], songs: int) -> None:
    """Requests to S3 a song, with the reason of each."""
    say(f"\n## Requests to S3 a song, of {songs} mapped songs, counted at the server\n")
    say(f"| part | what for | {' | '.join(KINDS)} | all |\n|---|---|{'---|' * (len(KINDS) + 1)}")
    requests = [(name, request) for name, part in parts.items() for request in part.requests]
    for name, reason, kinds in by_reason(requests):
        row = " | ".join(_each(kinds[kind], songs) for kind in KINDS)
        say(f"| {_LABELS[name]} | {reason} | {row} | {_each(kinds.total(), songs)} |")
    everything = Counter(request["kind"] for _, request in requests)
    row = " | ".join(_each(everything[kind], songs) for kind in KINDS)
    say(f"| whole song | | {row} | {_each(everything.total(), songs)} |")


def _each(count: int, songs: int) -> str:
    return f"{count / songs:.2f}".rstrip("0").rstrip(".")


def cpu(songs: list[dict[str, Part]]) -> dict[str, Any]:
    """Median own CPU of each part, milliseconds."""
    say(f"\n## Own CPU in a fresh process after Airflow's own imports, median of {len(songs)}\n")
    say(
        "| part | CPU ms | least | most | wall-clock ms | modules imported | of them ours |\n"
        "|---|---|---|---|---|---|---|"
    )
    found = {}
    for name in PARTS:
        times = [song[name].figures["cpu"] * 1000 for song in songs]
        walls = [song[name].figures["wall"] * 1000 for song in songs]
        modules = songs[0][name].figures["modules"]
        ours = sum(module.startswith(PACKAGE) for module in modules)
        found[name] = {"median": statistics.median(times), "least": min(times), "most": max(times)}
        say(
            f"| {_LABELS[name]} | {found[name]['median']:.0f} | {min(times):.0f} | {max(times):.0f} "
            f"| {statistics.median(walls):.0f} | {len(modules)} | {ours} |"
        )
    return found


def imports(song: Mapping[str, Part]) -> dict[str, Any]:
    """Say what the halves on a worker import, dearest first; -X importtime itself makes all of it slower."""
    found = {}
    for name in _ON_WORKER:
        modules = imported_after_mark(song[name].errors)
        total = sum(module.own for module in modules)
        packages = by_package(modules)
        say(f"\n## Imports of the {_LABELS[name]}: {len(modules)} modules, {total:.0f} ms by -X importtime\n")
        say("| package | own ms | modules |\n|---|---|---|")
        for package, own, count in packages:
            say(f"| {package} | {own:.1f} | {count} |")
        say("\n| module with what it imports in turn | ms | of its own |\n|---|---|---|")
        for module in dearest_trees(modules):
            say(f"| {module.name} | {module.all:.1f} | {module.own:.1f} |")
        found[name] = {"modules": len(modules), "ms": total, "packages": packages}
    return found


def say(text: str) -> None:
    """Print a line of the report."""
    print(text, flush=True)  # noqa: T201 - the report


_READS = ("opened", "listed")

if __name__ == "__main__":
    main()
