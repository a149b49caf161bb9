# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a module's tests against one mutation, in a copy of the tree and a process of its own.

The process is forked from this one, which has imported Airflow and nothing of the package, so that a mutation costs
the tests and not five seconds of imports. Bytecode of the modules that are mutated is never written, and that of all
others once, before the first mutation.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mutations import digest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

PACKAGE = "airflow_provider_music"
_COPIED = (PACKAGE, "tests", "dags_examples", "pyproject.toml")
#: Imported before the fork; not the package, and nothing that starts a thread.
_AHEAD = (
    *(
        "airflow",
        "airflow.sdk",
        "airflow.sdk.bases.operator",
        "airflow.triggers.base",
        "airflow.configuration",
        "httpx",
    ),
    *("httpx_aiohttp", "pydantic", "mutagen", "mutagen.mp3", "mutagen.id3", "mutagen.wave", "starlette.applications"),
    *("starlette.routing", "uvicorn", "lameenc", "multipart", "upath", "fsspec.implementations.local", "pytest"),
    *("_pytest.assertion.rewrite", "hypothesis", "pytest_asyncio", "pytest_mock", "xdist", "pytest_timeout"),
)
#: What tests may take without a mutation.
_BASELINE_SECONDS = 1200.0
#: Exit codes of pytest: all passed; some failed, could not be collected or imported, or broke pytest itself (an
#: endless recursion whose traceback does not end); one that is named is no more.
_PASSED, _CAUGHT, _NOT_THERE = 0, (1, 2, 3), 4


@dataclass(frozen=True)
class Verdict:
    """What the tests said of a mutation.

    :param by: the first test that failed, "timeout", "import" where no test could be collected, or None.
    """

    by: str | None
    seconds: float


class BrokenRunError(Exception):
    """The run says nothing of the mutation: pytest was misused, or the package of another tree was imported."""


class Tree:
    """A copy of the tree, in which mutations are tried.

    :param root: the tree that is copied.
    :param at: folder for the copy, and for what the tests leave behind.
    :param modules: what is mutated.
    :param skipped: tests that are not run.
    """

    def __init__(self, root: Path, at: Path, modules: Sequence[str], skipped: Sequence[str] = ()) -> None:
        self._root, self._at, self._skipped = root, at, skipped
        # Read once: an edit during the run is for the next one.
        self._sources = {module: (root / PACKAGE / module).read_text() for module in modules}
        self.path = at / "tree"
        self.log = at / "last.log"
        self._baseline = at / "baseline.json"
        self._known: dict = {"seconds": {}}

    def prepare(self) -> None:
        """Copy the tree anew; where it is as it was, only undo what a run that was killed left in the modules."""
        here = Path(__file__).parent
        found = [path for name in _COPIED for path in sorted((self._root / name).rglob("*.py"))]
        files = [path for path in found if path.parent != here]
        now = digest([*map(str, files), *(path.read_text() for path in files), *self._skipped])
        known = json.loads(self._baseline.read_text()) if self._baseline.exists() else {}
        if known.get("tree") != now:
            self._copy()
            known = {"tree": now, "seconds": {}}
        self._known = known
        for module, text in self._sources.items():
            (self.path / PACKAGE / module).write_text(text)
        self._forget_bytecode()

    def _copy(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        without = shutil.ignore_patterns("__pycache__", ".*")
        for name in _COPIED:
            source = self._root / name
            if source.is_dir():
                shutil.copytree(source, self.path / name, ignore=without)
            else:
                shutil.copy(source, self.path / name)

    def source(self, module: str) -> str:
        """Return the text of a module as it is in the tree that was copied."""
        return self._sources[module]

    def digest(self, tests: Sequence[str]) -> str:
        """Return a hash of test files and what they share."""
        files = sorted({self._root / test.partition("::")[0] for test in tests})
        paths = [path for file in files for path in (sorted(file.glob("*.py")) if file.is_dir() else [file])]
        return digest(path.read_text() for path in [*paths, self._root / "tests/conftest.py"])

    def baseline(self, tests: Sequence[str]) -> float:
        """Return how long tests take on the copy as it is, and write bytecode of all that is never mutated.

        :raises BrokenRunError: one of them fails.
        """
        seconds = self._known["seconds"]
        for test in tests:
            if test not in seconds:
                verdict = self._run([test], _BASELINE_SECONDS, writes_bytecode=True)
                self._forget_bytecode()
                if verdict.by is not None:
                    raise BrokenRunError(f"without any mutation: {verdict.by}, see {self.log}")
                seconds[test] = verdict.seconds
                self._baseline.write_text(json.dumps(self._known))
        return sum(seconds[test] for test in tests)

    def judge(self, module: str, text: str, tests: Sequence[str], likely: Sequence[str], timeout: float) -> Verdict:
        """Run tests with another text of a module: first some of them, which caught others of its mutations."""
        path, began = self.path / PACKAGE / module, time.monotonic()
        path.write_text(text)
        try:
            verdict = self._run(likely, timeout, may_be_gone=True) if likely else None
            if verdict is None or verdict.by is None:
                verdict = self._run(tests, timeout)
        finally:
            path.write_text(self.source(module))
        return Verdict(verdict.by, time.monotonic() - began)

    def _forget_bytecode(self) -> None:
        for module in self._sources:
            path = self.path / PACKAGE / module
            for cached in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
                cached.unlink()

    def _run(
        self, tests: Sequence[str], timeout: float, *, writes_bytecode: bool = False, may_be_gone: bool = False
    ) -> Verdict:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tests-", dir=self._at, ignore_cleanup_errors=True) as temporary:
            report = Path(temporary, "report.json")
            child = os.fork()
            if child == 0:
                self._in_child(tests, Path(temporary), report, writes_bytecode=writes_bytecode)
            code = _wait(child, timeout)
            seconds = time.monotonic() - began
            first = json.loads(report.read_text())["first"] if report.exists() else None
        if code is None:
            return Verdict("timeout", seconds)
        if code == _PASSED or (code == _NOT_THERE and may_be_gone):
            return Verdict(None, seconds)
        if code in _CAUGHT or code < 0:
            return Verdict(first or ("import" if code > 0 else f"signal {-code}"), seconds)
        raise BrokenRunError(f"exit code {code}, see {self.log}")

    def _in_child(self, tests: Sequence[str], temporary: Path, report: Path, *, writes_bytecode: bool) -> None:
        code = 70
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(output, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.chdir(self.path)
            here = Path(__file__).parent
            sys.path[:] = [str(self.path), *(path for path in sys.path if Path(path).resolve() not in _own(here))]
            sys.dont_write_bytecode = not writes_bytecode
            os.environ |= {"PYTHONPATH": str(self.path), "TMPDIR": str(temporary)}
            if not writes_bytecode:
                os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            tempfile.tempdir = None
            options = [f"--deselect={test}" for test in self._skipped]
            code = _pytest([*options, *tests], temporary, report, self.path)
        except BaseException:  # noqa: BLE001 - nothing may return into the loop of the parent
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


class _Reporter:
    """A plugin of pytest that writes down the first failure, and sees to it that the copy is what was tested."""

    def __init__(self, report: Path, tree: Path) -> None:
        self._report, self._tree = report, tree
        self._first: str | None = None

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed and self._first is None:
            self._first = report.nodeid
            self._report.write_text(json.dumps({"first": self._first}))

    def pytest_collectreport(self, report) -> None:
        if report.failed and self._first is None:
            self._first = f"import of {report.nodeid}"
            self._report.write_text(json.dumps({"first": self._first}))

    def pytest_sessionfinish(self) -> None:
        package = sys.modules.get(PACKAGE)
        if package is not None and not Path(package.__file__).is_relative_to(self._tree):
            os._exit(71)


def _own(here: Path) -> set[Path]:
    """Where this program and its tool lie: nothing of that is for the tests."""
    return {here, here.parents[1] / ".mutants" / "tools"}


def _pytest(tests: Sequence[str], temporary: Path, report: Path, tree: Path) -> int:
    import pytest

    options = ["-x", "-q", "-p", "no:cacheprovider", f"--basetemp={temporary}/pytest", "--tb=short"]
    # Of one test: what hangs is caught long before the whole run is late.
    options += ["--timeout=90", "--timeout-method=signal"]
    return int(pytest.main([*options, *tests], plugins=[_Reporter(report, tree)]))


def _wait(child: int, timeout: float) -> int | None:
    """Return a child's exit code, None after the timeout; end what it started, also when this is stopped."""
    deadline, status, done = time.monotonic() + timeout, 0, 0
    try:
        while not done and time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if not done:
                time.sleep(0.05)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        if not done:
            os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if done else None


def import_ahead(at: Path) -> None:
    """Import what all tests need and no mutation changes."""
    home = at / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    for name in _AHEAD:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # Airflow asks each provider who it is; the copy's own is imported after the fork.
    for name in (PACKAGE, f"{PACKAGE}.get_provider_info"):
        sys.modules.pop(name, None)
    early = [name for name in sys.modules if name.partition(".")[0] == PACKAGE]
    if early:
        raise BrokenRunError(f"imported before the fork, so mutations would be hidden: {early}")


class Results:
    """What is known already, one line of JSON a mutation; a run that was stopped goes on from there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict] = {}
        if path.exists():
            self._known = {row["key"]: row for row in map(json.loads, path.read_text().splitlines())}

    def known(self, key: str, tests: Collection[str]) -> Verdict | None:
        """Return an earlier verdict; a survivor's is void once its tests are others.

        :param tests: hashes of tests that a survivor may have passed.
        """
        row = self._known.get(key)
        if row is None or (row["by"] is None and row["tests"] not in tests):
            return None
        return Verdict(row["by"], row["seconds"])

    def likely(self, module: str, most: int = 12) -> list[str]:
        """Return the tests that caught most of a module's mutations."""
        caught = [row["by"] for row in self._known.values() if row["name"].startswith(f"{module} ")]
        return [test for test, _ in Counter(test for test in caught if test and "::" in test).most_common(most)]

    def add(self, key: str, name: str, tests: str, verdict: Verdict) -> None:
        """Keep a verdict."""
        row = {"key": key, "tests": tests, "name": name, **asdict(verdict)}
        self._known[key] = row
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
