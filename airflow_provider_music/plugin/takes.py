# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One take as its page shows it: what it is, what it cost, and its record as a timeline of facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.plugin import words
from airflow_provider_music.plugin.songs import audio_of
from airflow_provider_music.provenance.disclosure import lines_of, sheet_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_music.plugin.songs import AudioFile
    from airflow_provider_music.record.take import Take

#: What a fact says beside its time, in this order; nothing else of it is shown.
_DETAILS = ("error", "reason", "broken", "generation_id", "source", "status", "trace_id", "try_number")
_NOT_PLAYED = ("pcm",)


@dataclass(frozen=True, slots=True)
class Event:
    """One fact in a take's timeline."""

    name: str
    when: str
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TakeView:
    """One take for a page; texts only.

    :param name: what tells it from the other takes of the page.
    :param url: of its audio, below the page's; None where there is none. The others are of what belongs to it.
    :param problem: why it cannot be heard, where it should be there.
    """

    name: str
    title: str
    state: str
    billing: str
    is_playable: bool
    url: str | None
    verify_url: str | None
    waveform_url: str | None
    problem: str | None
    facts: tuple[tuple[str, str], ...]
    disclosure: tuple[tuple[str, str], ...]
    timeline: tuple[Event, ...] = field(default_factory=tuple)


def view_of(take: Take, page: str, index: int | None, *, is_one_of_several: bool = False) -> TakeView:
    """Return a take as its page shows it; blocks.

    :param page: path of the task instance's page.
    :param index: of the song in its batch.
    :param is_one_of_several: whether the page shows takes of other songs of the same request too.
    """
    file, problem = None, None
    if "completed" in take:
        try:
            file = audio_of(take)
        except MusicError as exc:
            problem = words.text(str(exc))
    audio, verify, waveform = (
        take_path(page, take.n, what, index) if file is not None else None for what in ("audio", "verify", "waveform")
    )
    title = f"Take {take.n}" if take.n else "Song"
    return TakeView(
        name=f"{index}-{take.n}" if is_one_of_several else str(take.n),
        title=f"Song {index}" + (f", take {take.n}" if take.n > 1 else "") if is_one_of_several else title,
        state=words.state_name(take),
        billing=words.BILLING_NAMES[take.billing],
        is_playable=file is not None and file.format not in _NOT_PLAYED,
        url=audio,
        verify_url=verify,
        waveform_url=waveform,
        problem=problem,
        facts=tuple((name, value) for name, value in _facts(take, file) if value),
        disclosure=tuple(_disclosure(take)),
        timeline=tuple(_timeline(take)),
    )


def take_path(page: str, n: int, what: str, index: int | None, **more: Any) -> str:
    """Return the path of something of a take."""
    query = {**({} if index is None else {"song": index}), **more}
    return f"{page}/take/{n}/{what}" + (f"?{urlencode(query)}" if query else "")


def _facts(take: Take, file: AudioFile | None) -> Iterator[tuple[str, str]]:
    completed, intent = take.facts.get("completed", {}), take.facts.get("intent", {})
    audio, usage = _object(completed.get("audio")), _object(completed.get("usage"))
    begin = intent.get("written_at")
    yield "Model", words.text(completed.get("model") or take.model or "")
    yield "Length", words.length(audio.get("duration_ms"))
    yield "Size", words.size(audio.get("size_bytes"))
    yield "Format", _format(audio)
    yield "Cost", _cost(usage)
    yield "Submitted", words.when(begin)
    yield "Made in", words.span(words.seconds_between(begin, completed.get("written_at")))
    yield "Generation", words.text(completed.get("generation_id") or take.generation_id or "")
    yield "sha256", words.text(audio.get("sha256") or "")
    yield "File", words.text(file.folder.url_of(file.name)) if file is not None else ""


def _disclosure(take: Take) -> Iterator[tuple[str, str]]:
    """Yield the disclosure sheet of a take that has a song, where its record is there to say what went into it."""
    if "completed" in take and "intent" in take:
        yield from ((name, words.text(text)) for name, text in lines_of(sheet_of(take)))


def _format(audio: Mapping[str, Any]) -> str:
    rate, bits = audio.get("sample_rate_hz"), audio.get("bitrate_bps")
    parts = [
        words.text(audio.get("format") or ""),
        f"{rate / 1000:g} kHz" if isinstance(rate, int | float) else "",
        f"{bits / 1000:.0f} kbit/s" if isinstance(bits, int | float) else "",
    ]
    return ", ".join(part for part in parts if part)


def _cost(usage: Mapping[str, Any]) -> str:
    credits_used = usage.get("credits_used")
    counted = f"{credits_used:,.0f} credits" if isinstance(credits_used, int | float) else ""
    return ", ".join(part for part in (words.usd(usage.get("usd_spent")), counted) if part)


def _timeline(take: Take) -> Iterator[Event]:
    facts = sorted(take.facts.items(), key=lambda item: str(item[1].get("written_at") or ""))
    for name, fact in facts:
        if not fact.get("written_at"):
            continue
        details = (
            (key.replace("_", " "), words.text(_told(fact[key]))) for key in _DETAILS if fact.get(key) is not None
        )
        yield Event(words.FACT_NAMES[name], words.when(fact["written_at"]), tuple(details))


def _told(value: Any) -> Any:
    is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return "; ".join(value) if is_list else value


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
