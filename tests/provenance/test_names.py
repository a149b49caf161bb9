# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airflow_provider_music import provenance

HEAVY = ("mutagen", "airflow", "fsspec", "upath", "httpx", "pydantic")


@pytest.mark.parametrize("name", provenance.__all__)
def test_every_public_name_is_there(name):
    assert getattr(provenance, name) is not None
    assert name in provenance._HOME


def test_another_name_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = provenance.nothing


def test_a_name_stays_what_it_is_when_its_module_is_loaded():
    before = provenance.verify
    import airflow_provider_music.provenance.verify_song  # noqa: F401

    assert provenance.verify is before
    assert callable(provenance.verify)
    assert callable(provenance.embed)


def test_the_package_itself_loads_nothing():
    program = "import json, sys, airflow_provider_music.provenance; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert not [name for name in loaded if name.split(".")[0] in HEAVY]
    assert not [name for name in loaded if name.startswith("airflow_provider_music.provenance.")]
