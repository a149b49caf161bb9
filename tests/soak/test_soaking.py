# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Sixty songs against faults of every kind; ``make soak`` has a thousand."""

from __future__ import annotations

import asyncio
import json

import pytest
from auditing import audit_soak
from soaking import FAULTS, Soak, arm, prepare


@pytest.fixture
def threads_execute(monkeypatch):
    try:
        from airflow.sdk.bases.operator import ExecutorSafeguard
    except ImportError:
        from airflow.models.baseoperator import ExecutorSafeguard
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)


@pytest.mark.parametrize("seed", [1])
def test_sixty_songs_are_delivered_or_plainly_failed_and_none_is_billed_twice(
    seed, music_sandbox, output_dir, monkeypatch, threads_execute
):
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", prepare(music_sandbox))
    arm(music_sandbox, seed, share=0.3)
    soak = Soak(music_sandbox, output_dir, abreast=12)
    asyncio.run(soak.run(60, look_every=20))

    ends = soak.ends()
    assert sum(ends.values()) == 60
    assert soak.plain()
    assert soak.billed_twice() == []
    delivered = [song.result["audio_uri"] for song in soak.songs if song.result]
    assert len(set(delivered)) == len(delivered) > 30
    assert not list(output_dir.rglob("*part*"))
    assert sum(fault["hits"] for fault in music_sandbox.state()["faults"]) > 10
    assert {lane for lane, _ in ends} == {"queued", "synchronous"}

    audited = audit_soak(music_sandbox, output_dir)
    assert audited.before.unexplained.count == 0
    assert audited.before.bill.usd == audited.charged > 5
    assert audited.holds, "\n".join(audited.table())


def test_what_is_to_last_beyond_a_timeout_does_so_however_patient_the_client_is(music_sandbox):
    for slowness in (1, 8):
        extra = json.loads(prepare(music_sandbox, slowness))["extra"]
        music_sandbox.clear_faults()
        arm(music_sandbox, 1, slowness=slowness)
        specs = [fault["spec"] for fault in music_sandbox.state()["faults"]]
        hangs = [float(spec.partition("hang=")[2].partition(",")[0]) for spec in specs if ":hang=" in spec]
        assert len(specs) == sum(map(len, FAULTS.values()))
        assert len(hangs) == 4
        assert min(hangs) > max(extra["read_timeout"], extra["generation_timeout"])


def test_every_route_has_faults():
    assert set(FAULTS) == {"submit", "generate", "poll", "download", "logs"}
