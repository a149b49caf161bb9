# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Hex to bytes: in slices as they come, beside the whole at once."""

from __future__ import annotations

import binascii
import time
from typing import Any

from inprocess.songs import song_of

_SLICE_BYTES = 2**16


def hexed(size: int, rounds: int) -> dict[str, Any]:
    """Seconds of each, in turns."""
    from airflow_provider_music.api.hex_stream import HexStream

    song = song_of("mp3", size)
    start, end = song.json_around()
    digits = b"".join(song.pieces(2**18, hexed=True))
    answer = start + digits + end
    slices = [answer[at : at + _SLICE_BYTES] for at in range(0, len(answer), _SLICE_BYTES)]
    ours, whole = [], []
    for _ in range(rounds):
        body, began, count = HexStream(), time.process_time(), 0
        for piece in slices:
            count += len(body.feed(piece))
        body.finish()
        ours.append(time.process_time() - began)
        assert count == size
        began = time.process_time()
        assert len(binascii.unhexlify(digits)) == size
        whole.append(time.process_time() - began)
    return {"ours": ours, "whole": whole}
