# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Scenarios in which disks are lost, folders move, and runs and requests are edited; all run side by side."""

import json
import time

from harness.rows import Row, Run
from harness.songs import Stage

LANES = ("queued", "synchronous")
#: What becomes of the list of a batch.
LISTS = {"reordered": (2, 0, 1), "shortened": (0, 1), "lengthened": (0, 1, 2, 1)}
THREE = ["a bell far off", "a harbour at night", "a train that does not stop"]


def plain(stage: Stage, dag: str, what: str, *, fail_through: int = 0) -> list[Row]:
    """One run; its first tries may fail after their song was returned."""
    words = list(THREE) if dag.endswith("batch") else None
    run = Run(stage, dag, f"on-{stage.cluster.env['AIRFLOW__CORE__EXECUTOR']}").begin(words, fail_through=fail_through)
    return [run.row_at_end(what)]


def disk_emptied_between_tries(stage: Stage, what: str) -> list[Row]:
    """Queued: the song cannot be fetched at first. The others, on a worker: the task fails after it landed."""
    run = Run(stage, f"pods_{what}", "emptied")
    if what == "queued":
        run.sandbox.fault("download:audio=html,times=all")
    run.begin(list(THREE) if what == "batch" else None, fail_through=0 if what == "queued" else 1)
    run.until_retry()
    run.cluster.wipe(f"pods_{what}")
    run.sandbox.clear_faults()
    return [run.row_at_end(f"a new, empty disk per try, {what}")]


def disk_emptied_before_clear(stage: Stage) -> list[Row]:
    """A song is delivered, its disk is lost, and somebody clears the task."""
    run = Run(stage, "cleared_queued", "emptied").begin()
    first = run.row_at_end("a song, queued")
    run.cluster.wipe("cleared_queued")
    run.clear()
    return [first, run.row_at_end("... its disk lost, and cleared, queued")]


def disk_emptied_between_halves(stage: Stage) -> list[Row]:
    """The second half runs where the first half's disk is not."""
    run = Run(stage, "halves_queued", "emptied", delay=8.0).begin()
    run.until_state("deferred")
    run.cluster.wipe("halves")
    return [run.row_at_end("a new, empty disk per half, queued")]


def killed_in_mid_landing(stage: Stage) -> list[Row]:
    """The task dies with a part of the song on its disk, and the disk is lost."""
    run = Run(stage, "killed_queued", "killed", song_bytes=2_000_000)
    run.sandbox.fault("download:slow=200000,times=all")
    run.begin()
    run.cluster.kill_worker(run.until_landing(), task_only=True)
    run.until_retry()
    run.cluster.wipe("killed")
    run.sandbox.clear_faults()
    return [run.row_at_end("killed in mid-landing, and a new, empty disk, queued")]


def killed_in_mid_post(stage: Stage, lane: str, log: str = "lost") -> list[Row]:
    """The task dies before it heard what the API made of its request, and the disk with its record is lost.

    The usage log has the song at the next try; it is "mute"; or it has it "later" than any try waits.
    """
    dag = f"{log}_{lane}"
    run = Run(stage, dag, "killed", log_lag=3600.0 if log == "later" else 0.0)
    run.sandbox.fault("submit:late=600", "generate:late=600")
    run.begin()
    run.until_asked()
    run.cluster.kill_worker(run.task_instance_id, task_only=True)
    run.until_retry()
    run.cluster.wipe(dag)
    run.sandbox.clear_faults()
    if log == "mute":
        run.sandbox.fault("logs:status=503,times=all")
    said = {"mute": ", the usage log does not answer", "later": ", the song is not in the usage log yet"}.get(log, "")
    return [run.row_at_end(f"killed in mid-POST, and a new, empty disk{said}, {lane}")]


def machine_switched_off(stage: Stage) -> list[Row]:
    """The worker's machine is gone with its disk in mid-landing; the other worker takes the next try."""
    run = Run(stage, "gone_queued", "gone", song_bytes=2_000_000)
    run.sandbox.fault("download:slow=200000,times=all")
    run.begin()
    name = run.cluster.machine_of(("airflow worker", run.until_landing()))
    assert name is not None
    run.cluster.kill_machine(name)
    run.sandbox.clear_faults()
    return [run.row_at_end("the worker's machine switched off in mid-landing, queued")]


def moved_in_mid_post(stage: Stage) -> list[Row]:
    """Airflow gives an open POST to the other triggerer, which has the same host name and process numbers."""
    run = Run(stage, "bucket_synchronous", "moved", delay=30.0).begin()
    run.until_open()
    run.move_to_stay(run.cluster.other_triggerer(run.holder))
    return [run.row_at_end("moved in mid-POST to a triggerer of the same host name and process numbers, synchronous")]


def triggerer_switched_off(stage: Stage) -> list[Row]:
    """A triggerer's machine is gone in mid-POST; the other has the same host name and process numbers."""
    run = Run(stage, "bucket_synchronous", "triggerer-gone")
    run.sandbox.fault("generate:late=600")
    run.begin()
    run.until_open()
    run.cluster.kill_machine(run.cluster.triggerer_of(run.holder))
    lost = run.row_at_end("the triggerer's machine switched off in mid-POST, synchronous")
    run.clear()
    return [lost, run.row_at_end("... and cleared")]


def folder_edited_between_tries(stage: Stage, lane: str) -> list[Row]:
    """`[music] output_dir` is another one at the second try."""
    run = Run(stage, f"edited_{lane}", "edited").begin(fail_through=1)
    run.until_retry()
    _edit(stage, f"{run.dag_id}.output_dir", str(stage.cluster.home / "shared" / "after"))
    return [run.row_at_end(f"[music] output_dir edited between tries, {lane}")]


def created_again(stage: Stage, lane: str, *, edited: bool) -> list[Row]:
    """A run is deleted and created again under the same id."""
    run = Run(stage, f"shared_{lane}", f"again-{edited}").begin()
    first = run.row_at_end(f"a run, {lane}")
    run.until(lambda: run.run_state() == "success", "an ended run")
    run.delete()
    run.begin("Quite another song of the same run" if edited else None)
    how = "its prompt edited" if edited else "nothing edited"
    return [first, run.row_at_end(f"... deleted and created again, {how}, {lane}")]


def created_again_while_open(stage: Stage, lane: str) -> list[Row]:
    """A run is given up and deleted while its song is made, and created again with another prompt."""
    run = Run(stage, f"bucket_{lane}", "again-open", delay=20.0).begin()
    run.until_open()
    run.fail_and_delete()
    run.begin("Quite another song of the same run")
    return [run.row_at_end(f"a run deleted while its song is made, and created again, its prompt edited, {lane}")]


def retries_lowered(stage: Stage, lane: str) -> list[Row]:
    """`max_tries` stays as it was at a clear; then somebody clears once more."""
    run = Run(stage, f"retries_{lane}", "lowered").begin()
    rows = [run.row_at_end(f"a song with two retries, {lane}")]
    _edit(stage, f"{run.dag_id}.retries", 1)
    path = f"/dags/{run.dag_id}/tasks/song"
    run.until(lambda: run.cluster.api.call("GET", path)["retries"] == 1, "read anew")
    run.edit("Quite another song")
    before = run.row()[2]
    run.clear_latest()
    same = "unchanged" if run.row()[2] == before else f"{before} to {run.row()[2]}"
    rows.append(run.row_at_end(f"... retries lowered, prompt edited, cleared (max_tries {same}), {lane}"))
    run.clear_latest()
    return [*rows, run.row_at_end(f"... and cleared once more, {lane}")]


def list_edited_while_open(stage: Stage, *, what: str) -> list[Row]:
    """No song can be fetched at first; before the next try the list is edited, then restored."""
    run = Run(stage, "listed_batch", f"open-{what}")
    run.sandbox.fault("download:audio=html,times=all")
    run.begin(list(THREE))
    run.until_retry()
    run.edit([THREE[index] for index in LISTS[what]])
    run.sandbox.clear_faults()
    refused = run.row_at_end(f"a batch's list {what} between tries, songs open")
    if refused.state == "success":
        return [refused]
    run.edit(list(THREE))
    run.clear()
    return [refused, run.row_at_end("... restored, and cleared")]


def list_edited_when_delivered(stage: Stage) -> list[Row]:
    """Airflow lost the success of a batch, and the list is another one at the next try."""
    run = Run(stage, "listed_batch", "delivered").begin(list(THREE), fail_through=1)
    run.until_retry()
    run.edit([THREE[1], THREE[0]])
    return [run.row_at_end("a batch's list reordered and shortened between tries, songs delivered")]


def list_edited_between_halves(stage: Stage, *, what: str) -> list[Row]:
    """The list is another one when the second half renders it: the songs are those that were submitted."""
    run = Run(stage, "listed_batch", f"halves-{what}", delay=8.0).begin(list(THREE))
    run.until_state("deferred")
    run.edit([THREE[index] for index in LISTS[what]])
    run.words = list(THREE)
    return [run.row_at_end(f"a batch's list {what} between the halves of a try")]


def twin(stage: Stage, lane: str, where: str, words: str, other: Run | None = None) -> list[Row]:
    """Two Airflows, one bucket, one API, the same DAG, run and task."""
    run = Run(stage, f"bucket_{lane}", f"twin-{words}", sandbox=other.sandbox if other else None)
    run.begin(words if words != "of-its-own" else f"A song of {where}")
    what = "a request of its own" if words == "of-its-own" else "the same request"
    return [run.row_at_end(f"{where} of two Airflows with one bucket, {what}, {lane}")]


def _edit(stage: Stage, name: str, value: object) -> None:
    """Write a file that the DAG reads, at once."""
    folder = stage.cluster.home / "edits"
    part = folder / f".{name}.{time.monotonic_ns()}"
    part.write_text(json.dumps(value))
    part.replace(folder / name)
