# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.api.models import find
from airflow_provider_music.generation.sensor import _USUAL_SECONDS as USUAL_SECONDS
from airflow_provider_music.generation.sensor import _usual_seconds as usual_seconds


@pytest.mark.parametrize("unknown", [None, "", "a-model-of-tomorrow", 7])
def test_a_model_that_nobody_knows_takes_as_long_as_most(unknown):
    assert usual_seconds(unknown) == USUAL_SECONDS


def test_a_known_model_takes_its_own_time():
    assert usual_seconds("minimax/music-2.6") == find("minimax/music-2.6").usual_seconds
