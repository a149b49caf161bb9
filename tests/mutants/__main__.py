# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``make mutants``: change one thing at a time where money is decided on, and see whether a test fails.

    make mutants                                     all, hours; a run that was stopped goes on where it was
    make mutants ARGS="--sample 60 --seed 1"         a sample, the same one for the same seed
    make mutants ARGS="--only policy outcome"        of some modules
    make mutants ARGS="--quick --only task"          by the tests of that name alone; what they let live, a run without
                                                     --quick judges again
    make mutants ARGS="--list --only policy"         what would be changed
    make mutants ARGS="--again"                      forget earlier verdicts

Only a copy in .mutants/ is changed. It exits with 1 where a mutation survives that survivors.py does not judge. A
mutation that runs into the timeout counts as caught. The tests of each module: targets.py.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from judging import BrokenRunError, Results, Tree, import_ahead
from mutations import Mutation, digest, mutations_of
from survivors import SURVIVORS
from targets import TARGETS, quick

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = Path(__file__).resolve().parents[2]
_AT = _ROOT / ".mutants"
#: A mutation's tests may take three times what they take without it, and this more.
_MORE_SECONDS = 60.0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the report


def _chosen(tree: Tree, asked: argparse.Namespace) -> list[Mutation]:
    modules = [module for module in TARGETS if not asked.only or Path(module).stem in asked.only]
    found = [mutation for module in modules for mutation in mutations_of(module, tree.source(module))]
    if asked.sample and asked.sample < len(found):
        # The first of one shuffled row: a larger sample of the same seed has the smaller in it.
        found = random.Random(asked.seed).sample(found, len(found))[: asked.sample]
    order = {module: number for number, module in enumerate(TARGETS)}
    return sorted(found, key=lambda mutation: (order[mutation.module], mutation.start, mutation.new))


def _judge_all(
    tree: Tree, results: Results, chosen: list[Mutation], targets: Mapping[str, list[str]]
) -> dict[Mutation, str | None]:
    """Judge what is not known yet, and return by what each was caught.

    :param targets: the tests of each module.
    """
    tests = {module: tree.digest(targets[module]) for module in {mutation.module for mutation in chosen}}
    # Of a module that was edited all verdicts are void.
    sources = {module: digest([tree.source(module)]) for module in tests}
    keys = {mutation: f"{mutation.key}-{sources[mutation.module][:6]}" for mutation in chosen}
    # A survivor of all tests survives some of them.
    enough = {module: {tests[module], tree.digest(TARGETS[module])} for module in tests}
    known = {mutation: results.known(keys[mutation], enough[mutation.module]) for mutation in chosen}
    verdicts = {mutation: verdict.by for mutation, verdict in known.items() if verdict is not None}
    open_ones = [mutation for mutation in chosen if mutation not in verdicts]
    _say(f"{len(chosen)} mutations, {len(verdicts)} of them judged by an earlier run")
    if not open_ones:
        return verdicts
    import_ahead(_AT)
    tree.prepare()
    limits: dict[str, float] = {}
    for number, mutation in enumerate(open_ones, 1):
        module = mutation.module
        if module not in limits:
            seconds = tree.baseline(targets[module])
            _say(f"{module}: its tests pass in {seconds:.0f} s")
            limits[module] = 3 * seconds + _MORE_SECONDS
        text, likely = mutation.of(tree.source(module)), results.likely(module)
        # Those that caught most may be slow ones.
        likely = [test for test in likely if test.startswith(tuple(targets[module]))]
        verdict = tree.judge(module, text, targets[module], likely, limits[module])
        results.add(keys[mutation], mutation.name, tests[module], verdict)
        verdicts[mutation] = verdict.by
        what = f"caught by {verdict.by}" if verdict.by else "SURVIVED"
        where = f"{module}:{mutation.line} {mutation.after[:90]}"
        _say(f"{number}/{len(open_ones)} {verdict.seconds:5.1f} s {where}  {what}")
    return verdicts


def _report(verdicts: dict[Mutation, str | None]) -> int:
    """Print the table and the survivors; return how many of them nobody judged."""
    _say(f"\n| {'module':<28} | mutations | caught | of these timeouts | survived | caught, % |")
    for module in [*TARGETS, "all"]:
        rows = [by for mutation, by in verdicts.items() if module in (mutation.module, "all")]
        if not rows:
            continue
        caught = [by for by in rows if by is not None]
        late, alive = caught.count("timeout"), len(rows) - len(caught)
        share = 100 * len(caught) / len(rows)
        _say(f"| {module:<28} | {len(rows):>9} | {len(caught):>6} | {late:>17} | {alive:>8} | {share:>9.1f} |")
    survivors = [mutation for mutation, by in verdicts.items() if by is None]
    unjudged = [mutation for mutation in survivors if mutation.name not in SURVIVORS]
    for mutation in survivors:
        _say(f"\n{mutation.module}:{mutation.line} {mutation.place}\n  - {mutation.before}\n  + {mutation.after}")
        _say(f"  {SURVIVORS.get(mutation.name, 'NOT JUDGED: a gap in the tests, or a line of survivors.py')}")
    _say(f"\n{len(survivors)} survived, {len(unjudged)} of them not judged in tests/mutants/survivors.py")
    return len(unjudged)


def main() -> int:
    """Judge the mutations that were asked for."""
    stems = [Path(module).stem for module in TARGETS]
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("--sample", type=int, help="so many of them, drawn by chance")
    parser.add_argument("--seed", type=int, default=1, help="of the chance")
    parser.add_argument("--only", nargs="+", choices=stems, help="modules")
    parser.add_argument("--quick", action="store_true", help="judge by the tests that bear the module's name")
    parser.add_argument("--list", action="store_true", help="name the mutations and judge none")
    parser.add_argument("--again", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--skip", nargs="+", default=[], help="tests that fail without any mutation, by their node ids")
    asked = parser.parse_args()
    _AT.mkdir(exist_ok=True)
    tree, path = Tree(_ROOT, _AT, list(TARGETS), asked.skip), _AT / "results.jsonl"
    chosen = _chosen(tree, asked)
    if asked.list:
        for mutation in chosen:
            _say(f"{mutation.module}:{mutation.line} {mutation.place}\n  - {mutation.before}\n  + {mutation.after}")
        _say(f"{len(chosen)} mutations")
        return 0
    if asked.again:
        path.unlink(missing_ok=True)
    targets = {module: quick(module) for module in TARGETS} if asked.quick else TARGETS
    began = time.monotonic()
    # Stopped in whatever way, it ends its tests and puts the module back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        verdicts = _judge_all(tree, Results(path), chosen, targets)
    except BrokenRunError as exc:
        _say(f"Broken run: {exc}")
        return 2
    _say(f"{time.monotonic() - began:.0f} s")
    return int(_report(verdicts) > 0)


if __name__ == "__main__":
    sys.exit(main())
