# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where fuzzing starts from: good inputs of every target, and what was found before."""

from __future__ import annotations

import json
import struct

_SAMPLES = bytes(range(256)) * 8
WAV = (
    struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + 2048, b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16, b"data", 2048
    )
    + _SAMPLES
)
#: MPEG 1 layer III, 128 kbit/s, 44.1 kHz: frames of 417 bytes.
MP3 = (b"\xff\xfb\x90\x64" + bytes(413)) * 8


def _song(audio: object, **more: object) -> bytes:
    return json.dumps({"data": {"audio": audio, "status": 2}, "base_resp": {"status_code": 0}, **more}).encode()


SEEDS: dict[str, list[bytes]] = {
    "song_body": [
        b"\0" + _song("0a0b0c"),
        b"\3\x20\x40\x80" + _song("0A 0b\n0c", trace_id="t", extra_info={"audio": "00"}),
        b"\2\x10\x50" + b'{"d\\u0061ta": {"\\u0061udio": "\\u0030a", "x": [{"data": {"audio": "ff"}}]}}',
        b"\1\x30" + _song("https://cdn.example.org/song.mp3?Signature=a%2Fb"),
        b"\0" + _song(None),
        b"\0" + b'{"data": {"audio": "aa"}, "data": {"audio": "bb"}}',
    ],
    "answers": [
        b'\2\0\5 0.195\n\1abc\n\n{"id": "a:b", "status": "queued", "meta": {"usage": {"usd_spent": 0.1}}}',
        b'\3\0\n\n{"id": "a", "status": "completed", "audio_file": {"url": "https://a/b"}, "trace_id": "t"}',
        b'\4\0\n\n{"data": [{"status": "succeeded", "client_request_id": "r", "cost": {"usd": 0.1, "credits": 5}}]}',
        b'\4\0\n\n{"data": [{"inference_id": "i", "created": "2026-01-01"}], "pagination": {"has_more": true}}',
        b'\5\0\n\n[{"id": "music-01", "aliases": ["a"], "status": "withdrawn", "replaced_by": "b", "reason": "r"}]',
        b'\6\0\n\n{"data": [{"id": "minimax/music-2.6", "pricing": {"kind": "fixed", "units": [{"price": 1}]}}]}',
        b'\0\0\n\n{"current_balance": "1.5", "currency": "USD"}',
        b'\1\0\n\n{"voice_id": "v", "instrumental_id": "i", "base_resp": {"status_code": 0}}',
        b'\2\x0e\0 Thu, 01 Jan 2026 00:00:00 GMT\n\n{"message": "slow", "statusCode": "429", "requestId": "r"}',
        b'\2\7\n\n{"title": "T", "status": 400, "message": "m", "details": [{"path": "p"}], "error": {"name": "n"}}',
        b'\2\x13\n\n{"message": "Generation timeout", "statusCode": 504}',
        b'\2\7\n\n{"message": "m", "statusCode": 400, "details": ' + b"[" * 600 + b"]" * 600 + b"}",
    ],
    "base_resp": [
        b'{"base_resp": {"status_code": "1026", "status_msg": "no"}, "trace_id": "t"}',
        b'{"base_resp": {"status_code": 1e999}}',
    ],
    "settings": [
        b"sk-0123456789abcdef\nhttps://api.example.org/v1\n\n443\n" + b'{"read_timeout": 5, "verify": "false"}',
        b"sk-0123456789abcdef\n[::1]\nhttp\n8080\n" + b'{"audio_hosts": ".example.org, a", "allow_http": "yes"}',
        b'sk-0123456789abcdef\n\n\n\n{"max_audio_bytes": 1e9, "max_body_seconds": "60", "audio_hosts": ["a"]}',
        # Found: a path too long for the system to look at.
        b'a\nh\n\n44*\n{"verify": "' + b"\xff" * 102 + b'e"}',
    ],
    "audio": [WAV, MP3, b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + MP3, b"fLaC" + bytes(64), b"OggS" + bytes(64)],
}
