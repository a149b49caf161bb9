# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The server's side of a model: price, shape of its answers, and what a request of it sounds like."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal, cast

from airflow_provider_music.api import models
from airflow_provider_music.sandbox.settings import CREDITS_PER_USD, Settings
from airflow_provider_music.sandbox.songs import SongSpec

IdStyle = Literal["nanoid", "uuid:name"]


@dataclass(frozen=True)
class Card:
    """One model as the server knows it.

    :param usd: price of a song in USD.
    :param id_style: how its generation ids look.
    :param file_facts: whether its answers say the file's name, type and size.
    :param track_facts: whether its answers carry ``extra_info`` and ``trace_id``.
    :param rate: sample rate in Hz, where the request cannot say.
    :param max_seconds: longest song in seconds.
    """

    name: str
    usd: float
    id_style: IdStyle = "uuid:name"
    file_facts: bool = False
    track_facts: bool = False
    rate: int = 44_100
    max_seconds: float = 240.0
    content_type: str | None = None

    @property
    def credits(self) -> int:
        """Price of a song in credits."""
        return round(self.usd * CREDITS_PER_USD)


# Only music-2.6 has a published price; the others' are third-party figures or, where there are none, made up.
_CARDS = {
    card.name: card
    for card in (
        Card("music-01", 0.07),
        Card("minimax-music", 0.05, file_facts=True),
        Card("minimax/music-1.5", 0.15, track_facts=True),
        Card("minimax/music-2.0", 0.0315, track_facts=True),
        Card("minimax/music-2.6", 0.195, id_style="nanoid"),
        Card("minimax/music-cover", 0.195, id_style="nanoid"),
        Card("google/lyria2", 0.06, file_facts=True, rate=48_000, max_seconds=32.8),
        Card("stable-audio", 0.05, file_facts=True, content_type="application/octet-stream"),
        Card("elevenlabs/eleven_music", 0.2),
        Card("test/dummy-audio", 0.01),
    )
}


def card_of(model: str) -> Card:
    """Return the card of a model by id or alias; one that nobody knows gets a plain card."""
    known = models.find(model)
    return _CARDS.get(known.id if known else model) or Card(model, 0.1)


def names() -> list[tuple[str, tuple[str, ...]]]:
    """Return every model's id and its aliases."""
    return [(known.id, known.aliases) for known in models.CATALOGUE]


def song_of(model: str, body: dict[str, Any], settings: Settings) -> SongSpec:
    """Return what the song of a checked request body is made from.

    The reference ids are new with each upload, so they choose the parts and not the notes: with a voice
    only, a melody; with an instrumental only, the accompaniment.
    """
    card, known = card_of(model), models.find(model)
    setting = body.get("audio_setting") or {}
    rate = int(setting.get("sample_rate") or setting.get("audio_sample_rate") or card.rate)
    voice, instrumental = body.get("refer_voice"), body.get("refer_instrumental")
    plain = {key: value for key, value in body.items() if key not in {"refer_voice", "refer_instrumental"}}
    canonical = json.dumps({**plain, "model": card.name}, sort_keys=True)
    return SongSpec(
        text=str(body.get("lyrics") or body.get("prompt") or ""),
        seed=hashlib.sha256(canonical.encode()).hexdigest(),
        seconds=_seconds(body, settings, known.max_seconds if known else None, card),
        rate=rate,
        bitrate=int(setting.get("bitrate") or 256_000),
        format=cast("Any", setting.get("format") or (known.default_format if known else "mp3")),
        lead=bool(voice) or not instrumental,
        backing=bool(instrumental) or not voice,
        size=settings.song_bytes,
    )


def _seconds(body: dict[str, Any], settings: Settings, limit: float | None, card: Card) -> float:
    asked = body.get("seconds_total") or body.get("duration") or body.get("music_length_ms", 0) / 1000
    return min(float(asked or settings.song_seconds), limit or card.max_seconds)
