# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a peer's program is told, and what it says at its end. Standard library only: peers share no environment."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

URL = os.environ["MONEY_URL"]
KEY = os.environ["MONEY_KEY"]
#: What survives the process: databases, records, results.
STATE = Path(os.environ["MONEY_STATE"])
OUT = Path(os.environ["MONEY_OUT"])
SONGS: list[str] = json.loads(os.environ["MONEY_SONGS"])
#: Whether a person has read what the last run said, and does what it takes.
BY_A_PERSON = "person" in sys.argv[1:]
MODEL = "minimax/music-2.6"
LYRICS = "a street at night\nthe rain is soft\nand every window has a light"
POLL_SECONDS = 0.5
OUTCOME = "outcome "


def prompt(song: str) -> str:
    """Return the words of a song; its name is in them, so that the API's side can tell songs apart."""
    return f"{song} calm piano, slow"


def say(delivered: dict[str, str], failed: dict[str, str]) -> None:
    """Print which songs lie in which files, and what the tool says of the others."""
    print(OUTCOME + json.dumps({"delivered": delivered, "failed": failed}), flush=True)  # noqa: T201
