# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A wait does not depend on one triggerer's life."""

import pytest

pytestmark = pytest.mark.cluster


def test_a_killed_and_replaced_triggerer_goes_on_polling_the_same_song(cluster, sandbox):
    cluster.wait_for_dag("songs_to_wait_for")
    before = sandbox.state()
    sandbox.settings(delay=30)
    try:
        run = cluster.run("songs_to_wait_for")
        run.until_seen("song", "deferred")
        (song,) = sandbox.generations()[len(before["generations"]) :]
        assert cluster.kill_triggerer()
        polls = sandbox.requests("poll")
        cluster.start_triggerer("triggerer-after-kill")
        cluster.finish(run)
    finally:
        sandbox.settings(delay=8)
    after = sandbox.state()
    assert after["posts"]["submit"] == before["posts"].get("submit", 0) + 1
    assert len(after["generations"]) == len(before["generations"]) + 1
    assert sandbox.requests("poll") > polls
    handed_on = cluster.api.xcom(run.dag_id, run.run_id, "song")
    assert handed_on["generation_id"] == song["id"]
    assert handed_on["submissions"] == 1
