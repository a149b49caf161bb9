# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.generation.batch_manifest import SongOutcome, missing


def said_of(message):
    outcome = SongOutcome(0, "pending", 1, {"error": "OutputError", "message": message})
    return str(missing([outcome], "file:///songs/manifest.jsonl")).partition("requests[0] pending: ")[2]


def test_of_a_long_reason_the_begin_says_what_is_wrong_and_the_end_what_it_means_for_the_bill():
    said = said_of(f"The manifest {'/folder' * 100} cannot be written. The song is paid and in place.")

    assert said.startswith("The manifest /folder/folder")
    assert said.endswith("cannot be written. The song is paid and in place.")
    assert len(said) == 605


@pytest.mark.parametrize("length", [1, 599, 600])
def test_a_reason_of_up_to_600_characters_is_told_whole(length):
    assert said_of("x" * length) == "x" * length
