# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import httpx
import pytest

from airflow_provider_music.sandbox import Sandbox
from airflow_provider_music.sandbox import __main__ as command

pytest_plugins = ["airflow_provider_music.sandbox.fixtures"]


def test_the_fixture_gives_a_running_sandbox_and_its_connection(music_sandbox):
    connection = json.loads(os.environ["AIRFLOW_CONN_MUSIC_DEFAULT"])
    assert connection == {"conn_type": "music", "host": music_sandbox.url, "password": music_sandbox.key}
    assert music_sandbox.state()["generations"] == []


def test_a_connection_takes_extras():
    assert json.loads(Sandbox().connection_json(verify=False))["extra"] == {"verify": False}


def test_stopping_does_not_wait_for_a_request_that_hangs(start):
    api = start()
    api.sandbox.fault("billing:hang=600")
    broken = []

    def ask() -> None:
        try:
            api.http.get("/v2/billing", timeout=60)
        except httpx.TransportError as error:
            broken.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    while not api.sandbox.requests("billing"):
        pass
    api.sandbox.stop()
    asking.join(30)
    assert len(broken) == 1


def test_a_sandbox_can_be_away_for_a_while_and_goes_on_with_its_songs(start):
    api = start(delay=0.3)
    number = api.submit().json()["id"]
    api.sandbox.stop()
    with pytest.raises(httpx.ConnectError):
        api.poll(number)
    api.sandbox.start()
    assert api.finished(number)["status"] == "completed"


def test_a_stopped_sandbox_frees_its_port():
    with Sandbox() as first:
        port = int(first.url.rpartition(":")[2])
    with Sandbox(port=port) as second:
        assert second.url == first.url


def test_a_sandbox_can_run_as_a_process_and_be_killed():
    options = ("--delay", "0", "--key", "sk-right", "--fault", "billing:status=503")
    with Sandbox.spawn(*options, key="sk-right") as sandbox:
        headers = {"Authorization": "Bearer sk-right"}
        statuses = [
            httpx.get(sandbox.url + "/v2/billing", headers=headers, trust_env=False).status_code for _ in range(2)
        ]
        assert statuses == [503, 200]
        assert sandbox.requests("billing") == 2
        sandbox.kill()
        with pytest.raises(httpx.ConnectError):
            httpx.get(sandbox.url + "/v2/billing", trust_env=False)


def test_a_spawned_sandbox_that_cannot_start_says_so():
    with pytest.raises(RuntimeError, match="did not start"):
        Sandbox.spawn("--fault", "nonsense")


@pytest.mark.parametrize("arguments", [["--delay", "-1"], ["--fault", "submit:explode"], ["--delay", "nan"]])
def test_bad_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert "usage:" in capsys.readouterr().err


def test_missing_packages_name_the_extra(mocker, capsys):
    mocker.patch.object(command, "find_spec", return_value=None)
    assert command.main([]) == 1
    assert "pip install 'airflow-provider-music[sandbox]'" in capsys.readouterr().err


def test_the_server_does_not_import_airflow():
    code = (
        "import sys; import airflow_provider_music.sandbox as s; assert 'starlette' not in sys.modules;"
        "s.Sandbox; import airflow_provider_music.sandbox.server;"
        "print([name for name in sys.modules if name.split('.')[0] == 'airflow'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
