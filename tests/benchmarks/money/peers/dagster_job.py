# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Dagster: one run a song, ops with stored outputs; a run whose worker crashed is re-executed from its failure.

That is what the daemon does with run monitoring (a run whose worker is gone is marked as failed) and run retries (it is
launched again from the failed step); here the same calls come from this program. The paid op has no retry policy of its
own; the free ones have.
"""

import os
import sys

import song_api
import told
from dagster import (
    Config,
    DagsterInstance,
    DagsterRunStatus,
    In,
    ReexecutionOptions,
    RetryPolicy,
    RunsFilter,
    execute_job,
    in_process_executor,
    job,
    op,
    reconstructable,
)

_FREE = RetryPolicy(max_retries=3, delay=1)


class Song(Config):
    """Which song."""

    song: str


@op
def submit(config: Song) -> str:
    """The paid request."""
    return song_api.submit(config.song)


@op(retry_policy=_FREE, ins={"generation_id": In(str)})
def wait(generation_id: str) -> str:
    """Polls."""
    return song_api.wait(generation_id)


@op(retry_policy=_FREE, ins={"url": In(str)})
def download(config: Song, url: str) -> str:
    """Land the song."""
    return song_api.download(config.song, url)


@job(executor_def=in_process_executor)
def make_song() -> None:
    """Submit, wait, download."""
    download(url=wait(generation_id=submit()))


def run(song: str) -> bool:
    """Run the job, or re-execute the run that crashed; return whether the song is there."""
    config = {"ops": {name: {"config": {"song": song}} for name in ("submit", "download")}}
    with DagsterInstance.get() as instance:
        options, runs = None, instance.get_runs(RunsFilter(tags={"song": song}))
        if runs:
            last = runs[0]
            if last.status == DagsterRunStatus.SUCCESS:
                return True
            if last.status == DagsterRunStatus.FAILURE:
                return False
            instance.report_run_failed(last, "the run worker is gone")
            options = ReexecutionOptions.from_failure(last.run_id, instance)
        target = reconstructable(make_song)
        with execute_job(target, instance, config, tags={"song": song}, reexecution_options=options) as result:
            return result.success


def main() -> None:
    """Run all side by side, each in a process of its own."""
    os.environ["DAGSTER_HOME"] = str(told.STATE)
    told.STATE.mkdir(parents=True, exist_ok=True)
    (told.STATE / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with DagsterInstance.get() as instance:
        instance.get_runs()
    children = {song: _fork(song) for song in told.SONGS}
    delivered, failed = {}, {}
    for song, pid in children.items():
        _, status = os.waitpid(pid, 0)
        if status:
            failed[song] = "the run failed"
        else:
            delivered[song] = str(song_api.path_of(song))
    told.say(delivered, failed)


def _fork(song: str) -> int:
    if pid := os.fork():
        return pid
    status = 1
    try:
        with (told.STATE / f"{song}.log").open("a") as log:
            os.dup2(log.fileno(), sys.stdout.fileno())
            os.dup2(log.fileno(), sys.stderr.fileno())
            status = 0 if run(song) else 1
    finally:
        os._exit(status)


if __name__ == "__main__":
    # By its name: Dagster finds the job in its module again.
    import dagster_job

    dagster_job.main()
