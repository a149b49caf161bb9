# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""DBOS: one workflow a song; a process that starts resumes what another left, from the last step that was recorded.

The paid step has DBOS's default, no retries; the free ones have them.
"""

from __future__ import annotations

import song_api
import told
from dbos import DBOS, DBOSConfig, SetWorkflowID

_CONFIG: DBOSConfig = {"name": "songs", "system_database_url": f"sqlite:///{told.STATE}/dbos.sqlite"}


@DBOS.step()
def submit(song: str) -> str:
    """The paid request."""
    return song_api.submit(song)


@DBOS.step(retries_allowed=True)
def poll(generation_id: str) -> str | None:
    """One poll."""
    return song_api.poll(generation_id)


@DBOS.step(retries_allowed=True)
def download(song: str, url: str) -> str:
    """Land the song."""
    return song_api.download(song, url)


@DBOS.workflow()
def make_song(song: str) -> str:
    """Submit, wait, download; each step's result is kept."""
    generation_id = submit(song)
    while (url := poll(generation_id)) is None:
        DBOS.sleep(told.POLL_SECONDS)
    return download(song, url)


def main() -> None:
    """Start what has not begun; what has begun resumes by itself."""
    told.STATE.mkdir(parents=True, exist_ok=True)
    DBOS(config=_CONFIG)
    DBOS.launch()
    handles = {}
    for song in told.SONGS:
        with SetWorkflowID(song):
            handles[song] = DBOS.start_workflow(make_song, song)
    delivered, failed = {}, {}
    for song, handle in handles.items():
        try:
            delivered[song] = handle.get_result()
        except Exception as error:  # noqa: BLE001 - a workflow's own
            failed[song] = f"{type(error).__name__}: {error}"
    told.say(delivered, failed)


if __name__ == "__main__":
    main()
