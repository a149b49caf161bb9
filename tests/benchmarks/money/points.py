# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where a process dies."""

from __future__ import annotations

from enum import StrEnum


class Point(StrEnum):
    """What has just happened when the process is killed; at ``CUT`` the line dies in its place."""

    BEFORE = "before sending"
    ACCEPTED = "after acceptance"
    LOST = "answer lost, killed"
    CUT = "answer lost, line cut"
    POLLING = "while polling"
    DOWNLOADING = "while downloading"


ABOUT = {
    Point.BEFORE: "the request is on its way and never reaches the API",
    Point.ACCEPTED: "the response is there, and the process has not read it yet",
    Point.LOST: "the API has accepted and bills; the response is still under way",
    Point.CUT: "the API has accepted and bills; the connection ends, the process lives on",
    Point.POLLING: "the first poll is unanswered",
    Point.DOWNLOADING: "half of the song has come",
}
#: Songs of a hundred; the lost answer has two causes.
SHARES = {
    Point.BEFORE: 20,
    Point.ACCEPTED: 20,
    Point.LOST: 10,
    Point.CUT: 10,
    Point.POLLING: 20,
    Point.DOWNLOADING: 20,
}


def counts(songs: int) -> dict[Point, int]:
    """Return how many songs each point gets.

    :raises ValueError: they cannot be shared out.
    """
    if songs <= 0 or songs % 10:
        raise ValueError(f"{songs} songs: a multiple of 10 is needed, so that each point gets its share")
    return {point: songs * share // 100 for point, share in SHARES.items()}
