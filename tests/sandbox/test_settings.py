# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.sandbox.settings import Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("delay", -1),
        ("delay", float("nan")),
        ("delay", "1"),
        ("song_seconds", 0),
        ("envelope", "xml"),
        ("any_model", 1),
        ("song_bytes", 1.5),
        ("created_status", 202),
        ("keys", ("x",)),
        ("colour", "red"),
    ],
)
def test_a_bad_setting_is_named_and_nothing_changes(name, value):
    settings = Settings()
    with pytest.raises(ValueError, match=name):
        settings.update({"log_lag": 3, name: value})
    assert settings == Settings()


def test_keys_stay_out_of_the_repr():
    assert "sk-secret" not in repr(Settings(keys=("sk-secret",)))
