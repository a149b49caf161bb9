# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Plays a file with whatever player is installed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Each player's command, and the formats that it plays; None is any.
_PLAYERS: tuple[tuple[tuple[str, ...], tuple[str, ...] | None], ...] = (
    (("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"), None),
    (("mpv", "--no-video", "--really-quiet"), None),
    (("afplay",), (".mp3", ".wav", ".m4a", ".flac")),
    (("paplay",), (".wav", ".flac", ".ogg")),
    (("aplay", "-q"), (".wav",)),
)
_MOST_SECONDS = 3600


def play(file: Path) -> str:
    """Play a file to its end, or until it is interrupted; return a sentence. It is there whatever comes of this."""
    for command, formats in _PLAYERS:
        if (formats is None or file.suffix in formats) and (found := shutil.which(command[0])):
            with contextlib.suppress(KeyboardInterrupt):
                done = _run([found, *command[1:], str(file)])
                return f"Played with {command[0]}." if done else f"{command[0]} could not play it."
            return "Stopped."
    return "No player found (ffplay, mpv, afplay, paplay, aplay); the song is not played."


def _run(command: list[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - a player of a fixed list, found by its name
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_MOST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
