# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how a song sounds: loudness, peaks, clipping, silence, mono or stereo, and its waveform.

FFmpeg's filters do it in process (PyAV, extra ``quality``), one decoded frame at a time: memory does not grow with the
song. Only FFmpeg's audio formats are opened, so that no playlist makes it read another file or URL.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import asdict, dataclass, field
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_music.audio.quality_marks import CLIPS, FULL_SCALE, clipping, longest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_music.audio.quality_marks import Span

INSTALL = "pip install 'airflow-provider-music[quality]'"
#: What is taken for silence: every channel below this level for at least so long.
SILENCE_DBFS = -60
SILENCE_SECONDS = 0.5
#: Demuxers that FFmpeg may choose from, by content.
_FORMATS = "aac,aiff,caf,flac,mov,mp3,ogg,w64,wav"
#: Samples a step of the waveform; steps are merged in pairs as the song gets longer, so their number stays bounded.
_STEP = 1024
_MOST_STEPS = 1400
#: A small file can hold days of silence; an hour takes about a minute of CPU.
_LONGEST_SECONDS = 4 * 3600
#: How near to 1 the channels' correlation stays all along where both carry the same.
_SAME = 0.9999


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured; None where it is not defined (of silence, or of a song below 3 s for the range).

    :param error: why the file cannot be decoded; the rest is empty then.
    :param loudness_lufs: integrated loudness after EBU R 128.
    :param loudness_range_lu: after EBU Tech 3342.
    :param true_peak_dbtp: highest peak between the samples.
    :param clipped_samples: at full scale, of all channels, as 16 bit.
    :param channels: as they are in the file.
    :param dual_mono: whether two channels carry the same.
    :param decode_errors: packets that FFmpeg refused.
    """

    error: str | None = None
    duration_ms: int | None = None
    loudness_lufs: float | None = None
    loudness_range_lu: float | None = None
    true_peak_dbtp: float | None = None
    clipped_samples: int | None = None
    clipped_ratio: float | None = None
    leading_silence_s: float | None = None
    trailing_silence_s: float | None = None
    longest_silence_s: float | None = None
    silence_ratio: float | None = None
    channels: int | None = None
    dual_mono: bool | None = None
    decode_errors: int = 0
    #: Lowest and highest sample of each step, -1 to 1.
    peaks: tuple[tuple[float, float], ...] = field(default=(), repr=False)
    #: From when to when, seconds: the longest silences, and the first steps with a sample at full scale.
    silences: tuple[Span, ...] = field(default=(), repr=False)
    clipping: tuple[Span, ...] = field(default=(), repr=False)

    def figures(self) -> dict[str, Any]:
        """Return what was measured as small JSON, below 1 KB; the waveform is not in it."""
        found = asdict(self)
        for drawn in ("peaks", "silences", "clipping"):
            del found[drawn]
        if self.error is not None:
            return {"error": self.error}
        del found["error"]
        return found

    def waveform(self) -> dict[str, Any]:
        """Return the waveform as small JSON, with where it is silent and where it is clipped."""
        flat = [round(value, 3) for pair in self.peaks for value in pair]
        spans = {"silences": self.silences, "clipping": self.clipping}
        marks = {name: [[round(at, 3) for at in span] for span in found] for name, found in spans.items()}
        return {"duration_ms": self.duration_ms, "pairs": len(self.peaks), "peaks": flat, **marks}


@dataclass(frozen=True, slots=True)
class RawPcm:
    """How to read samples without a header: 16 bit, little-endian."""

    sample_rate_hz: int
    channels: int = 2


def is_installed() -> bool:
    """Whether PyAV is there; it is not imported."""
    return importlib.util.find_spec("av") is not None


def measure(file: str | IO[bytes], *, raw: RawPcm | None = None) -> Quality:
    """Decode a song once and return what was measured; a file that cannot be decoded is a result too.

    :param file: path of a local file, or a file object that can seek.
    :param raw: of a file without a header.
    :raises ImportError: PyAV is not there.
    :raises OSError: the file cannot be read.
    """
    import av

    try:
        return _measured(file, raw)
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (av.error.FFmpegError, ValueError, EOFError) as exc:
        return Quality(error=f"FFmpeg cannot decode it: {type(exc).__name__}: {exc}"[:300])


def _measured(file: str | IO[bytes], raw: RawPcm | None) -> Quality:
    import av

    with _opened(file, raw) as container:
        if not container.streams.audio:
            return Quality(error="FFmpeg finds no audio in it")
        stream = container.streams.audio[0]
        meters: _Meters | None = None
        refused = 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                # As FFmpeg's own player does: one broken packet is skipped, and counted.
                refused += 1
                continue
            for frame in frames:
                meters = meters or _Meters(frame)
                meters.push(frame)
            if meters is not None and meters.seconds > _LONGEST_SECONDS:
                return Quality(error=f"it is longer than {_LONGEST_SECONDS} s, and is not measured")
        if meters is None:
            return Quality(error=f"FFmpeg decodes nothing of it; {refused} packets refused")
        return meters.result(refused)


def _opened(file: str | IO[bytes], raw: RawPcm | None) -> Any:
    import av

    if raw is None:
        return av.open(file, options={"format_whitelist": _FORMATS}, metadata_errors="ignore")
    options = {"sample_rate": str(raw.sample_rate_hz), "ch_layout": "mono" if raw.channels == 1 else "stereo"}
    return av.open(file, format="s16le", options=options)


class _Meters:
    """Two chains of filters that are fed the same frames: loudness, and everything else."""

    def __init__(self, first: Any) -> None:
        self._first = first
        self._shape = _shape(first)
        self._resampler: Any = None
        self._resampled: tuple[Any, ...] | None = None
        self.channels = len(first.layout.channels)
        self._rate = first.sample_rate
        self._samples = 0
        self._loudness = _graph(first, ("ebur128", "peak=true:metadata=1:framelog=quiet"))
        stereo = [("aphasemeter", "video=0")] if self.channels == 2 else []  # noqa: PLR2004
        self._levels = _graph(
            first,
            # Full scale is where players clip, also a sample that a lossy format decodes to more than that.
            ("aformat", "sample_fmts=s16"),
            ("asetnsamples", f"n={_STEP}:p=0"),
            ("silencedetect", f"noise={SILENCE_DBFS}dB:d={SILENCE_SECONDS}"),
            ("astats", "metadata=1:measure_perchannel=none:measure_overall=Peak_level+Peak_count"),
            ("astats", "metadata=1:reset=1:measure_perchannel=none:measure_overall=Min_level+Max_level"),
            *stereo,
        )
        self._last_loudness: Mapping[str, str] = {}
        self._last_levels: Mapping[str, str] = {}
        self._silences: list[list[float]] = []
        self._steps: list[tuple[float, float]] = []
        self._per_step = 1
        self._pending: list[tuple[float, float]] = []
        self._phase: float | None = None

    @property
    def seconds(self) -> float:
        """Length so far."""
        return float(self._samples / self._rate)

    def push(self, frame: Any) -> None:
        """Measure one frame more."""
        for one in self._alike(frame):
            self._samples += one.samples
            self._feed(one)

    def _alike(self, frame: Any) -> list[Any]:
        """Return a frame in the shape of the first: files that were joined may change it midway."""
        shape = _shape(frame)
        if shape == self._shape:
            return [frame]
        import av

        if shape != self._resampled:
            self._resampled = shape
            first = self._first
            self._resampler = av.AudioResampler(first.format, first.layout, first.sample_rate)
        frame.pts = None
        return list(self._resampler.resample(frame))

    def _feed(self, frame: Any | None) -> None:
        if frame is not None:
            # The filters count the samples: an edit list or a joined file would make gaps.
            frame.pts = self._samples - frame.samples
        for graph, read in ((self._loudness, self._read_loudness), (self._levels, self._read_levels)):
            graph.push(frame)
            for out in _pulled(graph):
                read(out)

    def _read_loudness(self, frame: Any) -> None:
        self._last_loudness = frame.metadata or self._last_loudness

    def _read_levels(self, frame: Any) -> None:
        said = frame.metadata
        self._last_levels = said
        low, high = (float(said[f"lavfi.astats.Overall.{name}_level"]) / FULL_SCALE for name in ("Min", "Max"))
        self._add_step(low, high)
        if (start := said.get("lavfi.silence_start")) is not None:
            self._silences.append([max(float(start), 0.0), math.inf])
        if (end := said.get("lavfi.silence_end")) is not None and self._silences:
            self._silences[-1][1] = float(end)
        phase = said.get("lavfi.aphasemeter.phase")
        # Of silence it says 1, and of a few samples of noise anything.
        if phase is not None and max(high, -low) > 10 ** (SILENCE_DBFS / 20):
            self._phase = min(float(phase), self._phase if self._phase is not None else 1.0)

    def _add_step(self, low: float, high: float) -> None:
        self._pending.append((low, high))
        if len(self._pending) < self._per_step:
            return
        self._steps.append(_joined(self._pending))
        self._pending = []
        if len(self._steps) >= _MOST_STEPS:
            self._steps = [_joined(self._steps[at : at + 2]) for at in range(0, len(self._steps), 2)]
            self._per_step *= 2

    def result(self, refused: int) -> Quality:
        """Return what was measured; nothing can be pushed after that."""
        self._feed(None)
        if self._pending:
            self._steps.append(_joined(self._pending))
        seconds = self.seconds
        said, levels = self._last_loudness, self._last_levels
        silences = [(start, min(end, seconds)) for start, end in self._silences if start < seconds]
        clipped = self._clipped(levels)
        peaks = [value for key, value in said.items() if key.startswith("lavfi.r128.true_peaks_ch")]
        loudest = max((float(value) for value in peaks), default=0.0)
        lengths = [end - start for start, end in silences]
        edge = _STEP / self._rate
        return Quality(
            duration_ms=round(seconds * 1000),
            loudness_lufs=_loudness(said.get("lavfi.r128.I")),
            loudness_range_lu=_number(said.get("lavfi.r128.LRA")),
            true_peak_dbtp=round(20 * math.log10(loudest), 2) if loudest > 0 else None,
            clipped_samples=clipped,
            clipped_ratio=round(clipped / max(self._samples * self.channels, 1), 6),
            leading_silence_s=round(lengths[0], 3) if silences and silences[0][0] <= edge else 0.0,
            trailing_silence_s=round(lengths[-1], 3) if silences and silences[-1][1] >= seconds - edge else 0.0,
            longest_silence_s=round(max(lengths, default=0.0), 3),
            silence_ratio=round(sum(lengths) / seconds, 4) if seconds else None,
            channels=self.channels,
            dual_mono=self._phase >= _SAME if self._phase is not None else None,
            decode_errors=refused,
            peaks=tuple(self._steps),
            silences=longest(silences),
            clipping=clipping(self._steps, self._per_step * _STEP / self._rate, seconds) if clipped else (),
        )

    def _clipped(self, levels: Mapping[str, str]) -> int:
        """Count the samples at full scale; below it, the highest samples are just the highest."""
        highest = _number(levels.get("lavfi.astats.Overall.Peak_level"))
        if highest is None or highest < 20 * math.log10(CLIPS):
            return 0
        # FFmpeg gives the mean over the channels.
        return round(float(levels.get("lavfi.astats.Overall.Peak_count", 0)) * self.channels)


def _graph(first: Any, *filters: tuple[str, str]) -> Any:
    import av

    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=first.sample_rate, format=first.format.name, layout=first.layout.name, time_base=None
    )
    nodes = [source, *(graph.add(name, given) for name, given in filters), graph.add("abuffersink")]
    graph.link_nodes(*nodes).configure()
    return graph


def _pulled(graph: Any) -> Iterator[Any]:
    import av

    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _shape(frame: Any) -> tuple[Any, ...]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _joined(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in pairs), max(high for _, high in pairs)


def _number(text: str | None) -> float | None:
    value = float(text) if text is not None else math.nan
    return round(value, 2) if math.isfinite(value) else None


def _loudness(text: str | None) -> float | None:
    value = _number(text)
    # The gate's floor: nothing was louder, so there is no loudness to tell.
    return value if value is not None and value > -70 else None  # noqa: PLR2004
