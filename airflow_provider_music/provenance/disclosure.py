# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The disclosure sheet of a song: which parts a model made, from what, under which rights, and what people changed.

Its facts are recorded with the request, before it is sent; the sheet is made of the record, so it can be had for every
take. It says what is known and nothing else: what nobody told this package is "unknown". Its words are its own, of no
standard; docs/disclosure.md says how they map to laws and forms.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_music.record.take import Take

UNKNOWN = "unknown"
MADE = "made by the model"
NONE = "none"
GIVEN = "given to the model; by people or another model: unknown"
GIVEN_OR_CHANGED = "given to the model, which may have changed them; by people or another model: unknown"
HEARD = "heard in the reference track by a model, and not changed since"
HEARD_AND_CHANGED = "heard in the reference track by a model, and changed since; by people or another model: unknown"
CHANGED_SINCE_HEARD = "changed since they were heard in the reference track; by people or another model: unknown"
NOTHING = "nothing"
_INSIDE = "none, it was sent inside the request"
AUDIO_UNCHANGED = "nothing until this sheet was written; later changes: unknown"

PARTS = ("lyrics", "vocals", "music")
#: What a track's entry may say beside the field that it was given in.
_TRACK = ("id", "sha256", "file", "host", "rights")
_LONGEST = 400
_MOST = 20


def recorded_disclosure(
    body: Mapping[str, Any], rights: str | None, tracks: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what a request's intent holds for its sheet: names of fields and what is known of tracks, no words.

    :param body: as it is sent.
    :param tracks: what is known of the uploads and analyses that it names, each with its ``field``.
    """
    known = [{name: value for name, value in track.items() if name != "words_sha256"} for track in tracks]
    return {
        **({"rights": rights} if rights else {}),
        **_parts_of(body, tracks),
        "given": sorted(name for name, value in body.items() if name != "model" and value is not None)[: 2 * _MOST],
        "tracks": [*known, *_hosts(body)],
    }


def sheet_of(take: Take) -> dict[str, Any]:
    """Return the disclosure sheet of a take, as its record has it."""
    intent, completed = take.facts.get("intent", {}), take.facts.get("completed", {})
    found = intent.get("disclosure")
    recorded: Mapping[str, Any] = found if isinstance(found, dict) else {}
    lyrics = _text(recorded.get("lyrics"))
    return {
        "model": _text(completed.get("model") or intent.get("model")),
        "parts": {part: _text(recorded.get(part)) for part in PARTS},
        "given_to_the_model": _texts(recorded["given"]) if "given" in recorded else UNKNOWN,
        "references": _tracks(recorded["tracks"]) if "tracks" in recorded else UNKNOWN,
        "rights": _text(recorded.get("rights")),
        "changed_by_people": {"lyrics": _changed(lyrics), "audio": AUDIO_UNCHANGED},
    }


def lines_of(sheet: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a sheet as text, line by line: what it is about, and what it says."""
    yield "Model", sheet["model"]
    for part in PARTS:
        yield part.capitalize(), sheet["parts"][part]
    given, references = sheet["given_to_the_model"], sheet["references"]
    yield "Given to the model", given if isinstance(given, str) else ", ".join(given) or NONE
    if isinstance(references, str) or not references:
        yield "References", references or NONE
    else:
        for reference in references:
            told = [f"{name} {reference[name]}" for name in _TRACK if reference.get(name)]
            yield f"Reference ({reference['given_as']})", ", ".join(told) or UNKNOWN
    yield "Rights", sheet["rights"]
    for what, change in sheet["changed_by_people"].items():
        yield f"Changed by people: {what}", change


def words_hash(text: str) -> str:
    """Return a sha256 (hex) of words, whatever space is between them."""
    return hashlib.sha256(" ".join(text.split()).encode(errors="replace")).hexdigest()


def host_of(url: str) -> str | None:
    """Return the host that a track's URL names, all of it that is kept: a URL may be signed."""
    # Cut: a data URI holds the whole track.
    url = url[:_LONGEST]
    try:
        return _INSIDE if url.startswith("data:") else urlsplit(url).hostname
    except ValueError:
        return None


def _parts_of(body: Mapping[str, Any], tracks: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    from airflow_provider_music.api.models import find

    known = find(body.get("model"))
    if known is None:
        return dict.fromkeys(PARTS, UNKNOWN)
    vocals = known.vocals
    words = body.get("prompt" if known.prompt_is_lyrics else "lyrics")
    has_words = isinstance(words, str) and bool(words.strip())
    if body.get("is_instrumental") is True:
        vocals = "none"
    elif vocals == "unknown" and (has_words or body.get("lyrics_optimizer") is True):
        vocals = "made"
    named = {"made": MADE, "none": NONE, "unknown": UNKNOWN}
    lyrics = NONE if vocals == "none" else _lyrics(str(words) if has_words else None, body, tracks)
    return {"lyrics": lyrics, "vocals": named[vocals], "music": MADE if known.makes_music else UNKNOWN}


def _lyrics(words: str | None, body: Mapping[str, Any], tracks: Sequence[Mapping[str, Any]]) -> str:
    optimizes = body.get("lyrics_optimizer") is True
    if words is None:
        return MADE if optimizes else UNKNOWN
    heard = next((track["words_sha256"] for track in tracks if track.get("words_sha256")), None)
    if heard is not None:
        return HEARD if heard == words_hash(words) else HEARD_AND_CHANGED
    return GIVEN_OR_CHANGED if optimizes else GIVEN


def _changed(lyrics: str) -> str:
    """Return what people changed of the lyrics, as far as where they come from says it."""
    return {
        MADE: NOTHING,
        NONE: NOTHING,
        HEARD: NOTHING,
        HEARD_AND_CHANGED: CHANGED_SINCE_HEARD,
    }.get(lyrics, UNKNOWN)


def _hosts(body: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the tracks that a request names by their URL."""
    from airflow_provider_music.api.models import REFERENCES

    for name, reference in REFERENCES.items():
        if reference.kind != "url" or not body.get(name):
            continue
        host = host_of(str(body[name]))
        yield {"field": name, **({"host": host} if host else {})}


def _tracks(value: Any) -> list[dict[str, str]] | str:
    if not isinstance(value, list):
        return UNKNOWN
    found = [track for track in value if isinstance(track, dict)][:_MOST]
    return [
        {"given_as": _text(track.get("field")), **{name: _text(track[name]) for name in _TRACK if track.get(name)}}
        for track in found
    ]


def _texts(value: Any) -> list[str] | str:
    return [_text(one) for one in value[: 2 * _MOST]] if isinstance(value, list) else UNKNOWN


def _text(value: Any) -> str:
    """Return a text of the record; a record may hold anything."""
    return value[:_LONGEST] if isinstance(value, str) and value else UNKNOWN
