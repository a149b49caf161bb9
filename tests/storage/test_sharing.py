# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import sys
from types import SimpleNamespace

import pytest

from airflow_provider_music.compat import AirflowFailException
from airflow_provider_music.exceptions import OutputError, StorageNotSharedError
from airflow_provider_music.storage import sharing
from airflow_provider_music.storage.sharing import check_shared, executor_of

LOCAL = ["/data/songs", "file:///data/songs", "local:///data/songs"]
ELSEWHERE = [
    "CeleryExecutor",
    "KubernetesExecutor",
    "CeleryKubernetesExecutor",
    "EdgeExecutor",
    "AwsEcsExecutor",
    "AwsBatchExecutor",
    "AwsLambdaExecutor",
    "airflow.providers.celery.executors.celery_executor.CeleryExecutor",
    "airflow.providers.celery.executors.celery_kubernetes_executor.CeleryKubernetesExecutor",
    "airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor",
    "airflow.providers.edge3.executors.edge_executor.EdgeExecutor",
    "airflow.providers.edge3.executors.EdgeExecutor",
    "airflow.providers.amazon.aws.executors.ecs.AwsEcsExecutor",
    "airflow.providers.amazon.aws.executors.ecs.ecs_executor.AwsEcsExecutor",
    "airflow.providers.amazon.aws.executors.batch.AwsBatchExecutor",
    "airflow.providers.amazon.aws.executors.aws_lambda.AwsLambdaExecutor",
    "airflow.providers.somebody.executors.new.NewExecutor",
]
HERE = [
    "LocalExecutor",
    "SequentialExecutor",
    "DebugExecutor",
    "InProcess",
    "airflow.executors.local_executor.LocalExecutor",
    "airflow.executors.sequential_executor.SequentialExecutor",
    "airflow.executors.debug_executor.DebugExecutor",
]
UNKNOWN = [
    None,
    "",
    "LocalKubernetesExecutor",
    "airflow.providers.cncf.kubernetes.executors.local_kubernetes_executor.LocalKubernetesExecutor",
    "company.executors.CeleryExecutor",
    "company.executors.LocalExecutor",
    "an_alias",
    "airflow.executors.new.NewExecutor",
]


@pytest.fixture(autouse=True)
def new_process(monkeypatch):
    monkeypatch.setattr(sharing, "_warned", set())
    for name in ("AIRFLOW__MUSIC__SHARED_DISK", "AIRFLOW__CORE__MULTI_TEAM", "AIRFLOW__CORE__EXECUTOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("url", LOCAL)
@pytest.mark.parametrize("executor", ELSEWHERE)
def test_a_local_folder_is_refused_where_the_workers_are_other_machines(url, executor):
    with pytest.raises(StorageNotSharedError) as raised:
        check_shared(url, executor, "output_dir")
    said = str(raised.value)
    assert said.startswith(f"output_dir: {url!r} is a folder of one machine, but {executor} runs tasks on others")
    assert "s3://conn_id@bucket/songs" in said
    assert "[music] shared_disk = True" in said
    assert said.endswith("Nothing was sent.")
    assert isinstance(raised.value, OutputError)
    assert isinstance(raised.value, AirflowFailException)


@pytest.mark.parametrize("executor", [*ELSEWHERE, *HERE, *UNKNOWN])
@pytest.mark.parametrize("url", ["s3://conn@bucket/songs", "memory://songs", "gs://bucket"])
def test_an_object_store_is_shared_whatever_the_executor(executor, url, caplog):
    with caplog.at_level(logging.DEBUG, sharing.__name__):
        check_shared(url, executor, "output_dir")
    assert caplog.messages == []


@pytest.mark.parametrize("executor", [*ELSEWHERE, *UNKNOWN])
@pytest.mark.parametrize("said", ["True", "true", "1"])
def test_a_disk_that_is_declared_shared_is_taken(executor, said, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW__MUSIC__SHARED_DISK", said)
    with caplog.at_level(logging.DEBUG, sharing.__name__):
        check_shared("/mnt/songs", executor, "output_dir")
    assert caplog.messages == []


def test_a_disk_that_is_declared_not_shared_is_refused(monkeypatch):
    monkeypatch.setenv("AIRFLOW__MUSIC__SHARED_DISK", "False")
    with pytest.raises(StorageNotSharedError):
        check_shared("/mnt/songs", "CeleryExecutor", "output_dir")


@pytest.mark.parametrize("executor", HERE)
def test_one_machine_sees_its_own_disk(executor, caplog):
    with caplog.at_level(logging.DEBUG, sharing.__name__):
        check_shared("/data/songs", executor, "output_dir")
    assert caplog.messages == []


@pytest.mark.parametrize("executor", UNKNOWN)
def test_what_cannot_be_told_is_one_warning_a_process(executor, caplog):
    for number in range(3):
        check_shared(f"/data/songs-{number}", executor, "output_dir")
    check_shared("/data/songs", "company.executors.Another", "record_dir")
    (line,) = [record for record in caplog.records if record.name == sharing.__name__]
    assert line.levelname == "WARNING"
    assert "output_dir: /data/songs-0 is a folder of this machine" in line.getMessage()
    assert "[music] shared_disk = True" in line.getMessage()


def test_the_sharing_of_a_disk_must_be_a_boolean(monkeypatch):
    monkeypatch.setenv("AIRFLOW__MUSIC__SHARED_DISK", "perhaps")
    with pytest.raises(Exception, match="shared_disk"):
        check_shared("/data/songs", "LocalExecutor", "output_dir")


CELERY = "airflow.providers.celery.executors.celery_executor.CeleryExecutor"


@pytest.mark.parametrize(
    ("configured", "own", "found"),
    [
        ("LocalExecutor", None, "LocalExecutor"),
        ("CeleryExecutor, LocalExecutor", None, "CeleryExecutor"),
        ("CeleryExecutor,LocalExecutor", "LocalExecutor", "LocalExecutor"),
        ("LocalExecutor,CeleryExecutor", "", "LocalExecutor"),
        (f"LocalExecutor,far:{CELERY}", "far", CELERY),
        (f"LocalExecutor,far:{CELERY}", "CeleryExecutor", CELERY),
        (f"LocalExecutor,far:{CELERY}", CELERY, CELERY),
        (f" far : {CELERY} ", None, CELERY),
        ("near:LocalExecutor", "near", "LocalExecutor"),
        (CELERY, None, CELERY),
        (CELERY, "CeleryExecutor", CELERY),
        ("LocalExecutor", "no_such_alias", "no_such_alias"),
        ("LocalExecutor", CELERY, CELERY),
    ],
)
def test_the_executor_of_a_task_is_its_own_or_the_first(configured, own, found, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", configured)
    assert executor_of(SimpleNamespace(executor=own)) == found


def test_a_task_without_the_argument_has_the_first(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    assert executor_of(object()) == "CeleryExecutor"
    assert executor_of(None) == "CeleryExecutor"


def test_teams_are_left_out_where_airflow_has_none(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor;team1=CeleryExecutor")
    assert executor_of(None) == "LocalExecutor"
    assert executor_of(SimpleNamespace(executor="CeleryExecutor")) == "CeleryExecutor"


def test_with_teams_the_default_is_said_where_all_have_the_same(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", f"=CeleryExecutor;team1=CeleryExecutor,x:{CELERY}")
    assert executor_of(None) == "CeleryExecutor"
    assert executor_of(SimpleNamespace(executor="x")) == CELERY
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor;team1=CeleryExecutor")
    assert executor_of(None) is None


@pytest.mark.parametrize("configured", [",", ";", "team1=CeleryExecutor"])
def test_a_setting_that_names_no_executor_tells_nothing(configured, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", configured)
    assert executor_of(None) is None


class InProcessSupervisorComms:
    pass


def test_a_test_run_of_a_dag_is_one_process(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    runner = SimpleNamespace(SUPERVISOR_COMMS=InProcessSupervisorComms())
    monkeypatch.setitem(sys.modules, "airflow.sdk.execution_time.task_runner", runner)
    assert executor_of(None) == "InProcess"
    runner.SUPERVISOR_COMMS = object()
    assert executor_of(None) == "CeleryExecutor"
