# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``show``: what happened to each take of one song, fact by fact. Free, and reads only."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_music.cli.definition import OK
from airflow_provider_music.cli.output import usd

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from airflow_provider_music.cli.output import Output
    from airflow_provider_music.record.take import Take

_COLUMNS = ("take", "when", "after", "fact", "what")
#: What a fact says beside these is of more use to the package than to a person.
_TOLD = (
    *("model", "conn_id", "client_request_id", "generation_id", "audio_uri", "status", "error", "reason"),
    *("billed", "abandoned", "sent", "resubmission", "source", "try_number", "kind", "cover_feature_id"),
)


def run(args: argparse.Namespace, out: Output) -> int:
    """Print one line a fact, and below them the disclosure sheet of each take that holds a song."""
    from airflow_provider_music.cli.records import record_at
    from airflow_provider_music.cli.songs import describe
    from airflow_provider_music.provenance.disclosure import sheet_of

    record, numbers = record_at(args.path)
    takes = [take for n in numbers if (take := record.read(n)) is not None]
    timelines = [list(_timeline(take)) for take in takes]
    documents = [
        {
            **describe(take),
            "facts": [dict(fact) for _, fact in timeline],
            "disclosure": sheet_of(take) if _holds_song(take) else None,
        }
        for take, timeline in zip(takes, timelines, strict=True)
    ]
    rows = [row for take, timeline in zip(takes, timelines, strict=True) for row in _rows(take, timeline)]
    last = documents[-1] if documents else {}
    out.show(
        {"record": record.folder.url, "takes": documents},
        _COLUMNS,
        rows,
        f"{last.get('task')}: take {last.get('take')} is {last.get('state')}, {_billing(last)}.",
        f"Record: {record.folder.url}",
        *(line for take in takes if _holds_song(take) for line in _disclosure(take)),
    )
    return OK


def _holds_song(take: Take) -> bool:
    return "audio_uri" in take.facts.get("completed", {})


def _disclosure(take: Take) -> Iterator[str]:
    from airflow_provider_music.provenance.disclosure import lines_of, sheet_of

    yield f"Disclosure sheet of take {take.n}:"
    yield from (f"  {name}: {text}" for name, text in lines_of(sheet_of(take)))


def _billing(described: Mapping[str, Any]) -> str:
    spent = described.get("usd_spent")
    words = {"not_billed": "not billed", "billed": "billed", "may_be_billed": "may be billed"}
    said = words.get(str(described.get("billing")), "nothing is known of the bill")
    return f"{said} ({usd(spent)})" if spent is not None else said


def _timeline(take: Take) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a take's facts as they were written. "sent" is read here: where more is known nobody else needs it."""
    from airflow_provider_music.record.generation_ref import read_fact

    facts: dict[str, Mapping[str, Any]] = {name: fact for name, fact in take.facts.items()}  # noqa: C416 - wider keys
    if "sent" not in facts and (sent := read_fact(take.folder.url, "sent.json")):
        facts["sent"] = sent
    yield from sorted(facts.items(), key=lambda item: str(item[1].get("written_at")))


def _rows(take: Take, timeline: list[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[object, ...]]:
    began = _moment(timeline[0][1]) if timeline else None
    for name, fact in timeline:
        when = _moment(fact)
        after = f"{(when - began).total_seconds():.1f} s" if when and began else ""
        yield take.n, f"{when:%Y-%m-%d %H:%M:%S}" if when else "", after, name, "\n".join(_words(fact))


def _words(fact: Mapping[str, Any]) -> Iterator[str]:
    for name in _TOLD:
        value = fact.get(name)
        if value not in (None, False, ""):
            yield f"{name}: {value}"
    audio, usage = fact.get("audio") or {}, fact.get("usage") or {}
    if audio.get("size_bytes"):
        seconds = f"{audio['duration_ms'] / 1000:.1f} s " if audio.get("duration_ms") else ""
        yield f"audio: {seconds}{audio.get('format')}, {audio['size_bytes']:,} bytes, sha256 {audio.get('sha256')}"
    if usage.get("usd_spent") is not None:
        yield f"cost: {usd(usage['usd_spent'])}"


def _moment(fact: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(fact.get("written_at")))
    except ValueError:
        return None
