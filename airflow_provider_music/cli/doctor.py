# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``doctor``: is everything there that a song needs? Free: it calls the API once, and leaves nothing in the store."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_music.cli.definition import OK, WRONG

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from airflow_provider_music.cli.output import Output

#: "not checked" is no failure: the detail says why it could not be.
Verdict = Literal["ok", "warning", "FAIL", "not checked"]
#: A song of the dearest model that is known costs about this.
_LOW_USD = 0.5


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    check: str
    verdict: Verdict
    detail: str


def run(args: argparse.Namespace, out: Output) -> int:
    """Print one line a check."""
    findings = list(_examined(args.conn_id, args.output_dir))
    failed = any(each.verdict == "FAIL" for each in findings)
    document = {"ok": not failed, "checks": [asdict(each) for each in findings]}
    out.show(document, ("check", "", "what"), [(each.check, each.verdict, each.detail) for each in findings])
    return WRONG if failed else OK


def _examined(conn_id: str, output_dir: str | None) -> Iterator[Finding]:
    yield _versions()
    connection = _tried("connection", lambda: _connection(conn_id))
    yield connection
    skip = Finding("key and balance", "not checked", "the connection cannot be used")
    yield _tried("key and balance", lambda: _balance(conn_id)) if connection.verdict == "ok" else skip
    yield from _store(output_dir)
    yield _triggerer()


def _tried(check: str, examine: Callable[[], Finding]) -> Finding:
    from airflow_provider_music.exceptions import MusicError

    try:
        return examine()
    except (MusicError, OSError) as exc:
        return Finding(check, "FAIL", str(exc))


def _versions() -> Finding:
    from airflow import __version__ as airflow

    from airflow_provider_music import __version__

    words = f"airflow-provider-music {__version__}, Airflow {airflow}, Python {platform.python_version()}"
    return Finding("versions", "ok", words)


def _connection(conn_id: str) -> Finding:
    from airflow_provider_music.hooks.clients import settings_of

    settings = settings_of(conn_id)
    where = "; the sandbox or another server on this machine" if settings.is_loopback else ""
    return Finding("connection", "ok", f"{conn_id} leads to {settings.base_url}{where}")


def _balance(conn_id: str) -> Finding:
    from airflow_provider_music.api import endpoints
    from airflow_provider_music.hooks.clients import sync_client_of

    check, balance = "key and balance", sync_client_of(conn_id).call(endpoints.billing())
    if balance.amount is None:
        return Finding(check, "FAIL", "it answered, but named no balance: is it the AI/ML API? Correct the host")
    words = f"the key works; balance {balance.amount:.2f} {balance.currency}"
    if balance.amount <= 0:
        return Finding(check, "FAIL", f"{words}: top up the account")
    verdict: Verdict = "warning" if balance.amount < _LOW_USD else "ok"
    return Finding(check, verdict, words if verdict == "ok" else f"{words}: enough for a few songs at most")


# Where songs and records go


def _store(output_dir: str | None) -> Iterator[Finding]:
    from airflow_provider_music.exceptions import MusicError
    from airflow_provider_music.generation.folders import default_record_dir
    from airflow_provider_music.storage.location import location

    given = ("--output-dir", output_dir) if output_dir else ("[music] record_dir or output_dir", default_record_dir())
    try:
        root = location(given[1], given[0])
    except MusicError as exc:
        yield Finding("store", "FAIL", str(exc))
        for check in ("exclusive create", "shared"):
            yield Finding(check, "not checked", "no folder is meant")
        return
    reachable = _tried("store", lambda: _reachable(root))
    yield reachable
    skip = Finding("exclusive create", "not checked", "the store cannot be used")
    yield _tried("exclusive create", lambda: _exclusive(root)) if reachable.verdict == "ok" else skip
    yield _tried("shared", lambda: _shared(root, given[0]))


def _reachable(root: str) -> Finding:
    import uuid

    from airflow_provider_music.storage.folder import Folder, store_errors

    folder, name, content = Folder(root), f"doctor-{uuid.uuid4().hex[:12]}.probe", b"ok\n"
    with store_errors():
        folder.replace(name, content)
        try:
            same = folder.read(name) == content
        finally:
            folder.remove(name)
    if not same:
        return Finding("store", "FAIL", f"{folder.url} does not return what was written to it")
    return Finding("store", "ok", f"{folder.url} can be written, read and cleaned up from here")


def _exclusive(root: str) -> Finding:
    from airflow_provider_music.record.exclusive import prove_exclusive
    from airflow_provider_music.storage.folder import Folder

    prove_exclusive(Folder(root))
    return Finding("exclusive create", "ok", "it refuses a second creation of the same file, so no song is paid twice")


def _shared(root: str, name: str) -> Finding:
    from airflow_provider_music.compat import conf
    from airflow_provider_music.storage.folder import is_local
    from airflow_provider_music.storage.sharing import check_shared, executor_of, workers_of

    if not is_local(root):
        return Finding("shared", "ok", "an object store: all workers and triggerers reach it")
    executor = executor_of(object())
    check_shared(root, executor, name)
    if conf.getboolean("music", "shared_disk", fallback=False):
        return Finding("shared", "ok", "[music] shared_disk says that it is a mount that all machines share")
    if workers_of(executor) == "here":
        return Finding("shared", "ok", f"{executor} runs tasks on this machine; keep the triggerer here too")
    return Finding(
        "shared",
        "warning",
        f"whether all workers and triggerers see this folder cannot be told from the executor, {executor}: use an "
        "object store, or set [music] shared_disk = True once it is a mount that they share",
    )


# The triggerer


def _triggerer() -> Finding:
    """Ask Airflow's own record of its jobs; from a machine that does not reach the database nothing can be said."""
    check = "triggerer"
    try:
        job = _newest_job()
    except Exception as exc:  # noqa: BLE001 - a database's driver may raise anything
        why = next(iter(str(getattr(exc, "orig", None) or exc).splitlines()), "")
        reason = f"Airflow's database cannot be read from here ({type(exc).__name__}: {_without_login(why):.120})"
        return Finding(check, "not checked", f"{reason}; run this where the scheduler runs")
    fix = "start `airflow triggerer`, or give deferrable=False to each task"
    if job is None:
        return Finding(check, "FAIL", f"none has ever run here: {fix}")
    beat = f"last heartbeat {job.latest_heartbeat:%Y-%m-%d %H:%M:%S} UTC on {job.hostname}"
    return Finding(check, "ok", beat) if job.is_alive() else Finding(check, "FAIL", f"not alive, {beat}: {fix}")


def _newest_job() -> Any:
    import airflow.models
    from airflow.jobs.job import most_recent_job

    # The tables that a job refers to.
    register: Any = airflow.models.import_all_models
    register()
    return most_recent_job("TriggererJob")


def _without_login(text: str) -> str:
    """Return a driver's words without what may stand before a host."""
    import re

    return re.sub(r"\S+@", "", text)
