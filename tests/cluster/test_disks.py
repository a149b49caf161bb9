# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One bill on any disk, under any folder, at any try: on real Airflows whose machines share nothing but the network.

CeleryExecutor with a Redis first, then LocalExecutor. One Airflow serves all its scenarios, which run side by side;
each test waits for its own. The table of all is printed at the end.
"""

import contextlib
import functools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.settings import IS_3

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.disks,
    pytest.mark.skipif(not IS_3, reason="the processes are those of Airflow 3"),
]
if IS_3:
    import disks_rows
    from disks_rows import LANES, LISTS
    from harness import machines, redis, rows
    from harness.apart import Apart, celery_folder
    from harness.processes import leave_nothing_behind
    from harness.songs import Stage

    if reason := machines.unavailable():
        pytestmark.append(pytest.mark.skip(reason=reason))

# Two Airflows have keys of their own.
_STAGING = {
    "AIRFLOW__API_AUTH__JWT_SECRET": "the-secret-of-another-test-cluster-that-nobody-reaches",
    "AIRFLOW__API__SECRET_KEY": "another-secret-of-another-test-cluster",
    "AIRFLOW__CORE__FERNET_KEY": "bXVzaWMtdGVzdC1jbHVzdGVyLWZlcm5ldC1rZXktMDI=",
}


class Stages:
    """At most one Airflow at a time: two cores bear no more."""

    def __init__(self, folder: Path, s3, say) -> None:
        self._folder = folder
        self._s3 = s3
        self._say = say
        self._stages: dict[str, Stage] = {}

    def start(self, name: str, *, celery: bool, declared: dict[str, str], env: dict[str, str] | None = None) -> "Stage":
        for other in self._stages.values():
            other.play({})
            other.cluster.stop()
        home = self._folder / name
        for folder in ("dags", "edits", "shared"):
            (home / folder).mkdir(parents=True)
        shutil.copy(Path(__file__).parent / "dags" / "disks.py", home / "dags")
        bucket = f"s3://aws_music@{self._s3.bucket}/songs"
        places = {name: str(home / name) for name in ("music", "shared", "edits")} | {"bucket": bucket}
        env = {"MUSIC_DISKS": json.dumps(places), "AIRFLOW_CONN_AWS_MUSIC": self._s3.connection_json()} | (env or {})
        cluster = Apart(home, home / "dags", env, celery=celery, declared=declared)
        stage = self._stages[name] = Stage(cluster, self._s3)
        cluster.start()
        cluster.wait_for_dag("disks_listed_batch")
        return stage

    def stop(self) -> None:
        with contextlib.ExitStack() as stack:
            for stage in self._stages.values():
                stack.callback(stage.stop)
                stack.callback(stage.cluster.stop)
        for name, stage in self._stages.items():
            for line in ("", "", name, *rows.HEAD.splitlines(), *map(str, stage.outcomes)):
                self._say(line)
        assert [stage.cluster.processes.members() for stage in self._stages.values()] == [[]] * len(self._stages)


@pytest.fixture(scope="module")
def stages(tmp_path_factory, request, s3) -> Iterator[Stages]:
    leave_nothing_behind()
    say = request.config.pluginmanager.getplugin("terminalreporter").write_line
    stages = Stages(tmp_path_factory.mktemp("disks"), s3, say)
    yield stages
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        stages.stop()


def _play(stage, acts):
    return stage.play({name: functools.partial(act, stage) for name, act in acts.items()})


@pytest.fixture(scope="module")
def on_celery(stages) -> "Stage":
    if redis.binary() is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    if celery_folder() is None:
        pytest.skip("Celery is not installed: make test-disks")
    return stages.start("celery", celery=True, declared={"AIRFLOW__MUSIC__SHARED_DISK": "True"})


@pytest.fixture(scope="module")
def celery(on_celery):
    """Begin all scenarios on Celery, but for the one that takes a machine away."""
    plain = functools.partial
    acts = {
        "own batch": plain(disks_rows.plain, dag="own_batch", what="disks of their own, declared shared, batch of 3"),
        "now batch": plain(
            disks_rows.plain,
            dag="now_batch",
            what="output_dir with datetime.now(), batch of 3, two retries",
            fail_through=2,
        ),
        "relative batch": plain(disks_rows.plain, dag="relative_batch", what="a relative output_dir, batch of 3"),
        "halves": disks_rows.disk_emptied_between_halves,
        "killed": disks_rows.killed_in_mid_landing,
        "list delivered": disks_rows.list_edited_when_delivered,
        "emptied batch": plain(disks_rows.disk_emptied_between_tries, what="batch"),
        "emptied, cleared": disks_rows.disk_emptied_before_clear,
        "mute": plain(disks_rows.killed_in_mid_post, lane="queued", log="mute"),
        "moved": disks_rows.moved_in_mid_post,
    }
    for what in LISTS:
        acts[f"list open {what}"] = plain(disks_rows.list_edited_while_open, what=what)
        acts[f"list halves {what}"] = plain(disks_rows.list_edited_between_halves, what=what)
    said = {
        "undeclared": "disks of their own, not declared shared",
        "own": "disks of their own, declared shared",
        "shared": "a shared folder, declared shared",
        "bucket": "S3",
        "relative": "a relative output_dir",
    }
    for lane in LANES:
        for dag, what in said.items():
            acts[f"{dag} {lane}"] = plain(disks_rows.plain, dag=f"{dag}_{lane}", what=f"{what}, {lane}")
        for dag, template in {"now": "datetime.now()", "try": "ti.try_number"}.items():
            what = f"output_dir with {template}, one retry, {lane}"
            acts[f"{dag} {lane}"] = plain(disks_rows.plain, dag=f"{dag}_{lane}", what=what, fail_through=1)
        acts |= {
            f"emptied {lane}": plain(disks_rows.disk_emptied_between_tries, what=lane),
            f"lost {lane}": plain(disks_rows.killed_in_mid_post, lane=lane),
            f"later {lane}": plain(disks_rows.killed_in_mid_post, lane=lane, log="later"),
            f"again open {lane}": plain(disks_rows.created_again_while_open, lane=lane),
            f"edited {lane}": plain(disks_rows.folder_edited_between_tries, lane=lane),
            f"again edited {lane}": plain(disks_rows.created_again, lane=lane, edited=True),
            f"again {lane}": plain(disks_rows.created_again, lane=lane, edited=False),
            f"retries {lane}": plain(disks_rows.retries_lowered, lane=lane),
        }
    return _play(on_celery, acts)


@pytest.fixture(scope="module")
def production(on_celery, celery):
    """Make the songs that staging must not deliver."""
    acts = {}
    for lane in LANES:
        for words in ("of-its-own", "the-same"):
            acts[f"{lane} {words}"] = functools.partial(disks_rows.twin, lane=lane, where="production", words=words)
    return _play(on_celery, acts)


@pytest.fixture(scope="module")
def switched_off(on_celery, celery, production):
    """Take the machines of a worker and of a triggerer away when all else has ended."""
    acts = {"worker": disks_rows.machine_switched_off, "triggerer": disks_rows.triggerer_switched_off}
    return _play(on_celery, acts)


# ---------------------------------------------------------------- CeleryExecutor
def _assert_paid_once(row, posts=1):
    assert (row.posts, row.songs, row.state) == (posts, posts, "success"), row.log


def _assert_refused(row, *errors, posts=0):
    assert (row.posts, row.state) == (posts, "failed"), row.log
    assert row.error in errors, row.log


def _assert_song_or_word(row, *errors):
    """Hold that it is the right song for one bill, or a named error for none more."""
    assert row.posts == 1, row.log
    assert row.songs == 1 if row.state == "success" else row.error in errors, row.log


@pytest.mark.parametrize("lane", LANES if IS_3 else [])
def test_on_celery_a_disk_that_nobody_declares_shared_is_refused_before_money(celery, lane):
    (row,) = celery[f"undeclared {lane}"].result()
    _assert_refused(row, "StorageNotSharedError")
    assert row.tries == 1


def test_on_celery_a_queued_song_needs_no_disk_in_common(celery):
    (row,) = celery["own queued"].result()
    _assert_paid_once(row)


def test_on_celery_a_batch_on_disks_that_are_not_shared_pays_each_song_once_or_says_so(celery):
    (row,) = celery["own batch"].result()
    assert row.posts <= 3, row.log
    assert row.songs == 3 if row.state == "success" else row.error == "StorageNotSharedError", row.log


def test_on_celery_a_synchronous_song_whose_triggerer_sees_no_record_is_refused_before_money(celery):
    (row,) = celery["own synchronous"].result()
    _assert_refused(row, "StorageNotSharedError")


@pytest.mark.parametrize("lane", LANES if IS_3 else [])
@pytest.mark.parametrize("store", ["shared", "bucket"])
def test_on_celery_a_song_in_a_store_that_all_see_is_paid_once(celery, store, lane):
    (row,) = celery[f"{store} {lane}"].result()
    _assert_paid_once(row)
    assert row.tries == 1


def test_a_queued_song_is_paid_once_though_each_try_has_a_new_disk(celery):
    (row,) = celery["emptied queued"].result()
    _assert_paid_once(row)


def test_each_song_of_a_batch_is_paid_once_though_each_try_has_a_new_disk(celery):
    (row,) = celery["emptied batch"].result()
    _assert_paid_once(row, posts=3)


def test_a_clear_after_the_disk_was_lost_delivers_a_right_song(celery):
    first, cleared = celery["emptied, cleared"].result()
    _assert_paid_once(first)
    assert (cleared.songs, cleared.state) == (1, "success"), cleared.log
    assert cleared.posts <= 2, cleared.log


def test_a_synchronous_song_that_went_with_its_disk_is_said_aloud_and_not_paid_again(celery):
    (row,) = celery["emptied synchronous"].result()
    _assert_refused(row, "UnknownOutcomeError", posts=1)


def test_a_queued_song_is_paid_once_though_each_half_has_a_new_disk(celery):
    (row,) = celery["halves"].result()
    _assert_paid_once(row)


def test_a_queued_song_is_paid_once_though_task_and_disk_are_lost_in_mid_landing(celery):
    (row,) = celery["killed"].result()
    _assert_paid_once(row)


def test_a_queued_song_is_found_in_the_usage_log_when_its_id_and_its_disk_are_lost(celery):
    (row,) = celery["lost queued"].result()
    _assert_paid_once(row)


def test_a_synchronous_song_that_is_lost_with_its_record_is_said_aloud_and_not_paid_again(celery):
    (row,) = celery["lost synchronous"].result()
    _assert_refused(row, "UnknownOutcomeError", posts=1)


@pytest.mark.parametrize("lane", LANES if IS_3 else [])
def test_a_song_that_the_usage_log_does_not_have_yet_is_not_paid_again(celery, lane):
    (row,) = celery[f"later {lane}"].result()
    _assert_refused(row, "UnknownOutcomeError", posts=1)


def test_a_request_that_cannot_be_searched_for_is_not_sent_again(celery):
    (row,) = celery["mute"].result()
    _assert_refused(row, "UnknownOutcomeError", posts=1)


@pytest.mark.parametrize("lane", LANES if IS_3 else [])
@pytest.mark.parametrize("template", ["now", "try"])
def test_a_folder_that_every_try_renders_anew_holds_one_song(celery, template, lane):
    (row,) = celery[f"{template} {lane}"].result()
    _assert_paid_once(row)
    assert row.tries == 2


def test_a_batch_in_a_folder_that_every_try_renders_anew_pays_each_song_once(celery):
    (row,) = celery["now batch"].result()
    _assert_paid_once(row, posts=3)
    assert row.tries == 3


@pytest.mark.parametrize("lane", LANES if IS_3 else [])
def test_output_dir_of_the_configuration_edited_between_tries_pays_no_second_song(celery, lane):
    (row,) = celery[f"edited {lane}"].result()
    _assert_song_or_word(row, "UnknownOutcomeError")


@pytest.mark.parametrize("what", (*LANES, "batch") if IS_3 else [])
def test_a_relative_output_dir_is_refused_before_money(celery, what):
    (row,) = celery[f"relative {what}"].result()
    _assert_refused(row, "InvalidFolderError")
    assert row.tries == 1


@pytest.mark.parametrize("lane", LANES if IS_3 else [])
@pytest.mark.parametrize("how", ["again edited", "again"])
def test_a_run_created_again_under_its_id_gets_a_song_of_its_own(celery, how, lane):
    first, again = celery[f"{how} {lane}"].result()
    _assert_paid_once(first)
    assert (again.posts, again.songs, again.state) == (2, 1, "success"), again.log


@pytest.mark.parametrize("lane", LANES if IS_3 else [])
def test_a_run_created_again_while_the_song_of_the_former_is_open_never_delivers_that_one(celery, lane):
    (row,) = celery[f"again open {lane}"].result()
    if row.state == "success":
        assert (row.posts, row.songs) == (2, 1), row.log
    else:
        _assert_refused(row, "ChangedRequestError", posts=1)


@pytest.mark.parametrize("lane", LANES if IS_3 else [])
def test_a_clear_that_looks_like_a_retry_never_delivers_the_former_song_for_an_edited_prompt(celery, lane):
    first, cleared, again = celery[f"retries {lane}"].result()
    _assert_paid_once(first)
    if cleared.state == "success":
        assert (cleared.posts, cleared.songs) == (2, 1), cleared.log
    else:
        _assert_refused(cleared, "ChangedRequestError", posts=1)
    assert (again.songs, again.state) == (1, "success"), again.log
    assert again.posts == cleared.posts + 1, again.log


@pytest.mark.parametrize("what", LISTS if IS_3 else [])
def test_a_list_that_differs_while_songs_are_open_is_refused_by_name(celery, what):
    refused, restored = celery[f"list open {what}"].result()
    _assert_refused(refused, "ChangedRequestError", posts=3)
    assert "requests[" in refused.log
    _assert_paid_once(restored, posts=3)


def test_a_list_that_differs_after_delivery_never_gets_the_songs_of_another(celery):
    (row,) = celery["list delivered"].result()
    _assert_refused(row, "ChangedRequestError", posts=3)


@pytest.mark.parametrize("what", LISTS if IS_3 else [])
def test_a_list_edited_between_the_halves_of_a_try_delivers_the_songs_that_were_submitted(celery, what):
    (row,) = celery[f"list halves {what}"].result()
    _assert_paid_once(row, posts=3)


def test_a_queued_song_is_paid_once_though_the_machine_of_its_worker_is_switched_off(switched_off):
    (row,) = switched_off["worker"].result()
    _assert_paid_once(row)


def test_a_synchronous_song_whose_triggerers_machine_is_switched_off_is_said_aloud(switched_off):
    lost, cleared = switched_off["triggerer"].result()
    _assert_refused(lost, "UnknownOutcomeError", posts=1)
    assert (cleared.posts, cleared.songs, cleared.state) == (2, 1, "success"), cleared.log


def test_an_open_post_is_known_to_live_though_its_triggerer_shares_a_host_name_with_the_next(celery):
    (row,) = celery["moved"].result()
    _assert_paid_once(row)


# ---------------------------------------------------------------- LocalExecutor
@pytest.fixture(scope="module")
def on_local(stages) -> "Stage":
    return stages.start("local", celery=False, declared={}, env=_STAGING)


@pytest.fixture(scope="module")
def local(on_local):
    acts = {}
    for dag, what in {
        "own_queued": "triggerer with a disk of its own, queued",
        "own_synchronous": "triggerer with a disk of its own, synchronous",
        "worker_synchronous": "triggerer with a disk of its own, synchronous with deferrable=False",
        "own_batch": "triggerer with a disk of its own, batch of 3",
        "bucket_queued": "S3, queued",
        "bucket_synchronous": "S3, synchronous",
    }.items():
        acts[dag] = functools.partial(disks_rows.plain, dag=dag, what=what)
    for lane in LANES:
        acts[f"emptied {lane}"] = functools.partial(disks_rows.disk_emptied_between_tries, what=lane)
    return _play(on_local, acts)


@pytest.mark.parametrize("dag", ["own_queued", "worker_synchronous", "bucket_queued", "bucket_synchronous"])
def test_on_local_executor_a_song_is_paid_once_wherever_the_triggerer_is(local, dag):
    (row,) = local[dag].result()
    _assert_paid_once(row)
    assert row.tries == 1


def test_on_local_executor_a_synchronous_song_whose_triggerer_sees_no_record_is_refused_before_money(local):
    (row,) = local["own_synchronous"].result()
    _assert_refused(row, "StorageNotSharedError")


def test_on_local_executor_a_batch_whose_triggerer_has_a_disk_of_its_own_pays_each_song_once_or_says_so(local):
    (row,) = local["own_batch"].result()
    assert row.posts <= 3, row.log
    assert row.songs == 3 if row.state == "success" else row.error == "StorageNotSharedError", row.log


def test_on_local_executor_a_queued_song_is_paid_once_though_each_try_has_a_new_disk(local):
    (row,) = local["emptied queued"].result()
    _assert_paid_once(row)


def test_on_local_executor_a_synchronous_song_that_went_with_its_disk_is_said_aloud(local):
    (row,) = local["emptied synchronous"].result()
    _assert_refused(row, "UnknownOutcomeError", posts=1)


# ---------------------------------------------------------------- both
@pytest.mark.parametrize("words", ["of-its-own", "the-same"])
@pytest.mark.parametrize("lane", LANES if IS_3 else [])
def test_staging_and_production_that_share_a_bucket_and_run_ids_get_a_song_each(production, on_local, lane, words):
    (first,) = production[f"{lane} {words}"].result()
    _assert_paid_once(first)
    (second,) = disks_rows.twin(on_local, lane, "staging", words, first.run)
    on_local.outcomes.append(second)
    assert (second.posts, second.songs, second.state) == (2, 1, "success"), second.log
