# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One sandbox and one real Airflow for all tests of this folder."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.processes import leave_nothing_behind
from harness.s3 import S3Server
from harness.sandbox import SandboxProcess, make_reference
from harness.standalone import Standalone

_HERE = Path(__file__).parent
_EXAMPLES = _HERE.parents[1] / "dags_examples"
KEY = "sk-this-key-must-not-be-seen-anywhere"


@pytest.fixture(scope="session")
def reference(tmp_path_factory) -> Path:
    """A reference track of 25 s."""
    return make_reference(tmp_path_factory.mktemp("reference") / "reference.mp3")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory) -> Iterator[SandboxProcess]:
    """The music API; a song takes it 8 s unless a test says otherwise."""
    process = SandboxProcess(tmp_path_factory.mktemp("sandbox"), "--delay", "8", "--key", KEY, key=KEY)
    yield process
    process.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory) -> Iterator[S3Server]:
    """A store with one bucket, which Airflow takes for Amazon's."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def dags_folder(tmp_path_factory) -> Path:
    """The harness's own DAG and every example, as copies."""
    folder = tmp_path_factory.mktemp("dags")
    # What only Airflow 3.4 can read has a cluster of its own, see test_matrix.py.
    own = (source for source in (_HERE / "dags").glob("*.py") if source.stem != "matrix_3_4")
    for source in (*own, *_EXAMPLES.glob("*.py")):
        shutil.copy(source, folder)
    return folder


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, sandbox, s3, reference, dags_folder) -> Iterator[Standalone]:
    """A real Airflow with a connection to the sandbox; nothing of it is left at the end."""
    leave_nothing_behind()
    home = tmp_path_factory.mktemp("airflow")
    env = {
        "AIRFLOW_CONN_MUSIC_DEFAULT": sandbox.connection_json(),
        "AIRFLOW_CONN_AWS_MUSIC": s3.connection_json(as_amazon=True),
        "AWS_ENDPOINT_URL": s3.url,
        "AIRFLOW_VAR_MUSIC_REFERENCE": str(reference),
        "AIRFLOW__MUSIC__OUTPUT_DIR": str(home / "songs"),
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "log_file_path": str(home / "openlineage.jsonl"), "append": True}
        ),
    }
    with Standalone(home, dags_folder, env) as airflow:
        yield airflow
    assert airflow.processes.members() == []
