# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""CPU of a song's marks beside that of its landing: ``python tests/benchmarks/marks.py [seconds]``.

Own CPU of this process on a local folder, the median of nine, imports apart. What counts is the ratio.
"""

from __future__ import annotations

import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-music-marks-")

from airflow_provider_music.audio.content_credentials import Signer
from airflow_provider_music.provenance import attach_manifest, verify
from airflow_provider_music.sandbox.songs import SongSpec, make
from airflow_provider_music.storage.audio_writer import AudioWriter, RequestedAudio
from airflow_provider_music.storage.folder import Folder
from tests.certificates import chain
from tests.provenance.conftest import take_of

TIMES, PIECE_BYTES = 9, 2**16


def cpu_ms(work, subjects):
    """Return the median of what some calls took."""
    taken = []
    for subject in subjects:
        began = time.process_time()
        work(subject)
        taken.append((time.process_time() - began) * 1000)
    return statistics.median(taken[1:])


def land(data, audio_format, folder):
    with AudioWriter(folder, RequestedAudio(audio_format), max_bytes=2**31) as writer:
        for at in range(0, len(data), PIECE_BYTES):
            writer.write(data[at : at + PIECE_BYTES])
        writer.finish()


def measure(audio_format, seconds, made):
    spec = SongSpec(text="la la", seed="", seconds=seconds, rate=44100, bitrate=256000, format=audio_format)
    data, top, count = make(spec).data, tempfile.mkdtemp(prefix="airflow-music-marks-"), iter(range(10**6))

    def folders():
        return [Folder(f"{top}/{next(count)}") for _ in range(TIMES + 1)]

    figures = {"landing": cpu_ms(lambda folder: land(data, audio_format, folder), folders())}
    policies = {"manifest": {}, "tags": {"embed": True}, "c2pa": {"embed": True, "signer": lambda: made}}
    for policy, how in policies.items():
        songs = [(folder, take_of(data, audio_format, url=folder.url)) for folder in folders()]
        for folder, _ in songs:
            land(data, audio_format, folder)
        figures[policy] = cpu_ms(lambda song, how=how: attach_manifest(*song, {}, **how), songs)
        url = songs[0][0].url_of(f"song.{audio_format}")
        assert verify(url).ok
        figures[f"verify {policy}"] = cpu_ms(verify, [url] * (TIMES + 1))
    return len(data), figures


def main():
    logging.disable(logging.CRITICAL)
    seconds, own = int((sys.argv[1:] or ["180"])[0]), chain()
    made = Signer(own.certificates, "es256", own.private_key)
    say = sys.stdout.write
    say("| song | landing | manifest | tags | c2pa | verify tags | verify c2pa |\n|---|---|---|---|---|---|---|\n")
    for audio_format in ("mp3", "wav"):
        size, found = measure(audio_format, seconds, made)
        names = ("manifest", "tags", "c2pa", "verify tags", "verify c2pa")
        cells = (f"{found[name]:.1f} ms, {found[name] / found['landing']:.1f} x" for name in names)
        say(f"| {seconds} s {audio_format}, {size / 1e6:.1f} MB | {found['landing']:.1f} ms | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
