# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the pages: the library with many songs, and the API server's memory while ten people listen.

PYTHONPATH=.:tests/cluster:tests/plugin/browser python -W ignore tests/plugin/browser/measure.py library|listeners
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPEATS = 7
NOW = datetime(2026, 11, 28, tzinfo=UTC)
MODELS = ("minimax/music-2.6", "stable-audio", "google/lyria2")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def songs(count: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Task instances of twenty DAGs, a hundred mapped songs a run, over the last days; with what each returned."""
    for n in range(count):
        dag = f"dag_{n % 20}"
        key = {"dag_id": dag, "run_id": f"run_{n // 2000}", "task_id": "song", "map_index": n // 20 % 100}
        folder = f"s3://aws@bucket/songs/{dag}/{n}/take-1"
        audio = {"format": "mp3", "sha256": f"{n:064x}", "size_bytes": 3_000_000, "duration_ms": 120_000}
        result = {
            "generation_id": f"gen-{n}",
            "model": MODELS[n % 3],
            "status": "completed",
            "audio_uri": f"{folder}/song.mp3",
            "audio": {**audio, "sample_rate_hz": 44100, "bitrate_bps": 256000},
            "usage": {"credits_used": 100_000, "usd_spent": 0.05},
            "submissions": 1,
            "trace_id": f"trace-{n}",
            "record_uri": f"{folder}/completed.json",
        }
        yield {**key, "n": n, "when": NOW - timedelta(seconds=20 * (count - n))}, result


def rows(count: int) -> Iterator[tuple[Any, ...]]:
    """Ten XComs a song, as Airflow has them."""
    for key, result in songs(count):
        names = (key["dag_id"], key["run_id"], key["task_id"], key["map_index"])
        run = hash((key["dag_id"], key["run_id"])) & 0x7FFFFFFF
        for name, value in (("return_value", result), *result.items()):
            yield (run, *names, name, json.dumps(value), key["when"].strftime("%Y-%m-%d %H:%M:%S.%f"))


def library() -> None:
    """Print how long pages of the library take, with 100 and 100,000 songs on SQLite and Postgres."""
    from harness.postgres import Postgres
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker

    say("| database | songs | first page | far behind | one DAG | one model | sha256 | generation | costs |")
    say("|---|---|---|---|---|---|---|---|---|")
    for count in (100, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            engine = create_engine(f"sqlite:///{folder}/airflow.db")
            fill_sqlite(engine, count)
            say(f"| SQLite | {count:,} | {timed(sessionmaker(engine), count)} |")
            engine.dispose()
            postgres = Postgres(Path(folder))
            try:
                engine = create_engine(postgres.url)
                fill_postgres(engine, count)
                say(f"| Postgres | {count:,} | {timed(sessionmaker(engine), count)} |")
                engine.dispose()
            finally:
                postgres.stop()


COLUMNS = "dag_run_id, dag_id, run_id, task_id, map_index, key, value, timestamp"


def made(engine: Any) -> None:
    from airflow import models
    from airflow.models.base import Base

    models.import_all_models()
    Base.metadata.create_all(engine)


def fill_sqlite(engine: Any, count: int) -> None:
    made(engine)
    with engine.begin() as connection:
        raw = connection.connection.cursor()
        raw.executemany(f"INSERT INTO xcom ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows(count))
        raw.execute("ANALYZE")


def fill_postgres(engine: Any, count: int) -> None:
    made(engine)
    text = io.StringIO()
    csv.writer(text).writerows(rows(count))
    text.seek(0)
    connection = engine.raw_connection()
    cursor = connection.cursor()
    # No rows of runs and task instances are needed for what is measured.
    cursor.execute("SET session_replication_role = replica")
    cursor.copy_expert(f"COPY xcom ({COLUMNS}) FROM STDIN WITH (FORMAT csv)", text)
    cursor.execute("ANALYZE xcom")
    connection.commit()
    connection.close()


def timed(session: Any, count: int) -> str:
    from airflow_provider_music.plugin import costs, library
    from airflow_provider_music.plugin.library import Filters, read_page

    @contextlib.contextmanager
    def create_session(*, scoped: bool) -> Iterator[Any]:
        with session() as one:
            yield one

    library.create_session = costs.create_session = create_session
    dags = {f"dag_{n}" for n in range(20)}
    behind = ""
    if count > library.PAGE * 2:
        key = next(key for key, _ in songs(count) if key["n"] == count // 10)
        names = ("dag_id", "run_id", "task_id", "map_index")
        place = type("Place", (), {"timestamp": key["when"], **{name: key[name] for name in names}})
        behind = library._cursor(place)
    assert len(read_page(dags, Filters()).rows) == library.PAGE
    asked: list[Callable[[], Any]] = [
        lambda: read_page(dags, Filters()),
        lambda: read_page(dags, Filters(after=behind)),
        lambda: read_page(dags, Filters(dag="dag_7")),
        lambda: read_page(dags, Filters(model="stable-audio")),
        lambda: read_page(dags, Filters(q=f"{count // 2:064x}")),
        lambda: read_page(dags, Filters(q=f"gen-{count // 2}")),
        lambda: costs.costs(dags, Filters(since="2026-01-01")),
    ]
    assert len(asked[4]().rows) == len(asked[5]().rows) == 1
    assert sum(row.songs for row in asked[6]().rows) == count
    return " | ".join(f"{1000 * seconds(one):.0f} ms" for one in asked)


def seconds(one: Callable[[], Any]) -> float:
    taken = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        one()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def listeners(count: int = 10, megabytes: int = 200) -> None:
    """Print what the API server holds in memory before and while so many people hear one long song."""
    from harness.sandbox import SandboxProcess
    from listening_stage import airflow_with_users, client_of, sign_in_api

    from airflow_provider_music.plugin.listen_link import page_path

    with tempfile.TemporaryDirectory() as folder:
        sandbox = SandboxProcess(Path(folder), "--delay", "1", "--key", "sk-x", key="sk-x")
        airflow = airflow_with_users(Path(folder) / "airflow", sandbox)
        airflow.start()
        try:
            sign_in_api(airflow)
            run = airflow.finish(airflow.run("heard"))
            (song,) = airflow.home.glob("songs/heard/*/*/song/take-1/song.wav")
            with song.open("wb") as file:
                file.truncate(megabytes * 2**20)
            url = page_path("", run.dag_id, run.run_id, "song", -1) + "/take/1/audio"
            server = max(airflow.processes.find("api_server"), key=lambda process: process.memory_info().rss)
            hear(airflow, client_of, url, 1, 2**20)
            before, most, stopped = server.memory_info().rss, [0], threading.Event()

            def watch() -> None:
                while not stopped.wait(0.05):
                    most[0] = max(most[0], server.memory_info().rss)

            watcher = threading.Thread(target=watch)
            watcher.start()
            cpu, begun = server.cpu_times(), time.monotonic()
            got = hear(airflow, client_of, url, count, megabytes * 2**20)
            took = time.monotonic() - begun
            used = server.cpu_times()
            stopped.set()
            watcher.join()
            spent = used.user + used.system - cpu.user - cpu.system
            say(f"{count} listeners, {got / 2**20:,.0f} MiB in {took:.1f} s, {spent:.1f} s of CPU")
            say(f"API server: {before / 2**20:.0f} MiB before, {most[0] / 2**20:.0f} MiB at most")
        finally:
            airflow.stop()
            sandbox.stop()


def hear(airflow: Any, client_of: Any, url: str, count: int, most: int) -> int:
    heard = [0] * count

    def one(n: int) -> None:
        with client_of(airflow, "listener") as client, client.stream("GET", url) as answer:
            for piece in answer.iter_raw(2**16):
                heard[n] += len(piece)
                if heard[n] >= most:
                    return

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(heard)


if __name__ == "__main__":
    {"library": library, "listeners": listeners}[sys.argv[1]]()
