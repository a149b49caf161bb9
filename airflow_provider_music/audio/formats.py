# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the first bytes of a file say about its format."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_music.audio.facts import AudioFormat

SNIFF_BYTES = 64
#: The eleven bits that start an MPEG frame, and the two that say layer III.
_FRAME_MASK, _FRAME_LAYER_III = 0xFFE6, 0xFFE2
_LOAS_MASK, _LOAS = 0xFFE0, 0x56E0
_TEXT_BYTES = frozenset((9, 10, 13, *range(32, 127)))

#: What a person calls the content, where the format's short name does not say it.
LABELS: dict[AudioFormat, str] = {
    "aac": "AAC (ADTS)",
    "aiff": "AIFF",
    "flac": "FLAC",
    "m4a": "M4A (MP4)",
    "mp1": "MPEG Layer I",
    "mp2": "MPEG Layer II (MP2)",
    "ogg": "Ogg Vorbis",
    "opus": "Ogg Opus",
}
#: Other audio and video, by where its mark stands: named, so that nobody reads of a good file that it is no audio.
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb", "Sony Wave64 (W64)"),
    (0, b"caff", "Apple CAF"),
    (0, b".snd", "Sun AU"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media (WMA, ASF)"),
    (0, b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
    (0, b"ADIF", "AAC (ADIF)"),
    (0, b"\x0b\x77", "AC-3"),
    (0, b"\x7f\xfe\x80\x01", "DTS"),
    (0, b"#!AMR", "AMR"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"TTA1", "TrueAudio"),
    (0, b"OFR ", "OptimFROG"),
    (0, b"tBaK", "TAK"),
    (0, b"DSD ", "DSD (DSF)"),
    (0, b"FRM8", "DSD (DSDIFF)"),
    (0, b"Creative Voice File", "Creative VOC"),
    (0, b"MThd", "MIDI, notes without sound"),
    (0, b"FLV\x01", "Flash video"),
    (8, b"AVI ", "AVI video"),
    (0, b"\x00\x00\x01\xba", "MPEG video"),
    (0, b".RMF", "RealMedia"),
    (0, b".ra\xfd", "RealAudio"),
    (8, b"8SVX", "Amiga 8SVX"),
)


def sniff(head: bytes) -> AudioFormat | None:
    """Tell the format from the first bytes, or None; MP3 without a tag still has to be parsed to be sure."""
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:3] == b"ID3" or int.from_bytes(head[:2]) & _FRAME_MASK == _FRAME_LAYER_III:
        return "mp3"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[4:8] == b"ftyp":
        return "m4a"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    return None


def name_of_other(head: bytes) -> str | None:
    """Return the name of a format that is known by its name alone, or None."""
    if int.from_bytes(head[:2]) & _LOAS_MASK == _LOAS:
        return "AAC (LOAS)"
    return next((name for at, mark, name in _OTHERS if head.startswith(mark, at)), None)


def label(audio_format: AudioFormat) -> str:
    """Return what a person calls a format."""
    return LABELS.get(audio_format, audio_format)


def describe_head(head: bytes) -> str:
    """Say in a few words what the first bytes look like, without quoting them."""
    if not head:
        return "the file is empty"
    start = head.lstrip()[:1]
    if start in (b"{", b"["):
        return "it looks like JSON"
    if start == b"<":
        return "it looks like HTML or XML"
    if is_text(head):
        return "it looks like text"
    return "its first bytes are of no audio format"


def is_text(head: bytes) -> bool:
    """Whether the first bytes are plain text, as of an error page: audio has others among them."""
    return bool(head) and _TEXT_BYTES.issuperset(head)
