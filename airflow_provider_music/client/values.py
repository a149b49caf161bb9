# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the client returns; a song shows itself in a notebook."""

from __future__ import annotations

import base64
import contextlib
import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: A larger song is not put into a notebook's page: its text grows by 4/3 of it, and is saved with the notebook.
EMBEDDED_BYTES = 10 * 2**20


@dataclass(frozen=True, slots=True)
class Submitted:
    """A queued generation that the API accepted: it is billed once it is done."""

    generation_id: str
    model: str
    request_id: str
    usual_seconds: float


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalogue; ``status`` and ``replaced_by`` are the API's own words, None where it says nothing."""

    id: str
    aliases: tuple[str, ...]
    lane: str
    usual_seconds: float
    max_seconds: float | None
    required: tuple[str, ...]
    fields: tuple[str, ...]
    status: str | None = None
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class Song:
    """A song in its folder. In a notebook it shows a player.

    :param audio: ``format``, ``size_bytes``, ``duration_ms``, ``sample_rate_hz``, ``bitrate_bps``, ``sha256``.
    :param usage: ``credits_used`` and ``usd_spent``, None where nobody says.
    """

    generation_id: str | None
    audio_uri: str
    audio: Mapping[str, Any]
    usage: Mapping[str, Any]
    model: str | None = None
    request_id: str | None = None
    trace_id: str | None = field(default=None, repr=False)

    def read(self) -> bytes:
        """Return the audio.

        :raises FileNotFoundError: it is gone.
        """
        from airflow_provider_music.storage.folder import Folder

        folder, _, name = self.audio_uri.rpartition("/")
        found = Folder(folder).read(name)
        if found is None:
            raise FileNotFoundError(self.audio_uri)
        return found

    @property
    def path(self) -> Path | None:
        """The file, where it is on a disk of this machine."""
        from pathlib import Path

        return Path(self.audio_uri.removeprefix("file://")) if self.audio_uri.startswith("file://") else None

    def _repr_html_(self) -> str:
        from airflow_provider_music.audio.inline import CONTENT_TYPES

        size, kind = self.audio.get("size_bytes") or 0, CONTENT_TYPES.get(str(self.audio.get("format")))
        player = ""
        if kind is not None and 0 < size <= EMBEDDED_BYTES:
            with contextlib.suppress(OSError):
                source = f"data:{kind};base64,{base64.b64encode(self.read()).decode()}"
                player = f'<audio controls preload="metadata" src="{source}"></audio>'
        duration, usd = self.audio.get("duration_ms"), self.usage.get("usd_spent")
        facts = [
            self.model,
            f"{duration / 1000:.1f} s" if duration is not None else None,
            f"{size:,} bytes {self.audio.get('format')}",
            f"{usd:g} USD" if usd is not None else None,
            self.audio_uri,
        ]
        return f"<figure>{player}<figcaption>{html.escape(' · '.join(filter(None, facts)))}</figcaption></figure>"
