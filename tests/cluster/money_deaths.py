# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Scenarios in which triggerers end: each brings its song to the moment, and one death hits them all.

`poll:status-word=generating` keeps a queued song unfinished until after the death, however slow the machine.
"""

from harness.songs import Outcome, Stage, Together

_UNFINISHED = "poll:status-word=generating,times=all"


def in_mid_wait(stage: Stage, together: Together, how: str, *, s3: bool = False) -> list[Outcome]:
    """A queued song is waited for; the next triggerer goes on with it."""
    where = ", S3" if s3 else ""
    song = stage.song("queued", f"wait-{how}{where}".replace(" ", "-").replace(",", ""), _UNFINISHED, s3=s3)
    song.until_polled()
    seconds = together.meet(song)
    song.sandbox.clear_faults()
    return [song.end(f"{how} in mid-wait, queued{where}", seconds)]


def in_mid_post(stage: Stage, together: Together, how: str, *, landing: bool = False) -> list[Outcome]:
    """A synchronous POST is open: its song goes with the process, loudly; only a clear asks again."""
    when = "while landing" if landing else "in mid-POST"
    name = f"{when}-{how}".replace(" ", "-")
    if landing:
        song = stage.song("synchronous", name, "generate:slow=200000", song_bytes=2_000_000)
    else:
        song = stage.song("synchronous", name, "generate:late=600")
    song.until_open()
    if landing:
        song.until(song.parts, "landing")
    seconds = together.meet(song)
    lost = song.end(f"{how} {when}, synchronous", seconds)
    song.clear()
    return [lost, song.end("... and cleared")]
