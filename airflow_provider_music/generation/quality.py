# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Measures a song that is in place, on a worker, and judges it by its task's limits.

The figures are written beside the song once (``quality.json``), so a retry or a clear judges without decoding again.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import bounded_json
from airflow_provider_music.audio.quality import INSTALL, RawPcm, is_installed, measure
from airflow_provider_music.audio.quality_limits import broken_limits
from airflow_provider_music.cost import metrics
from airflow_provider_music.exceptions import InvalidRequestError, OutputError, QualityError

if TYPE_CHECKING:
    from airflow_provider_music.audio.quality import Quality
    from airflow_provider_music.audio.quality_limits import QualityPolicy
    from airflow_provider_music.record.identity import TaskAttempt
    from airflow_provider_music.record.store import SongRecord
    from airflow_provider_music.record.take import Take
    from airflow_provider_music.storage.folder import Folder

log = logging.getLogger(__name__)

NAME = "quality.json"
PEAKS_SUFFIX = ".peaks.json"
#: Songs of a batch that are decoded at once: each takes a core and some tens of megabytes.
_slots = threading.BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class QualityOptions:
    """What a task says of its songs' quality: the parameters of the operators of the same names.

    :param compares: whether the task delivers the best of several songs, so that each has to be measured.
    """

    policy: QualityPolicy = "none"
    limits: Mapping[str, float | None] | None = None
    compares: bool = False

    @classmethod
    def of(cls, task: Any) -> QualityOptions:
        """Read them from an operator or a sensor."""
        return cls(getattr(task, "quality", "none"), getattr(task, "quality_limits", None))

    def to_compare(self) -> QualityOptions:
        """Return them for a task that delivers the best of several songs."""
        return QualityOptions("measure" if self.policy == "none" else self.policy, self.limits, compares=True)

    def check_installed(self) -> None:
        """Refuse before anything is paid what could not be measured afterwards.

        :raises InvalidRequestError: PyAV is not installed here.
        """
        if self.policy != "none" and not is_installed():
            what = "takes above 1" if self.compares else f"quality={self.policy!r}"
            raise InvalidRequestError(f"{what} needs PyAV on the workers: {INSTALL}", "The task")

    def rejects(self, figures: Any) -> bool:
        """Whether a song of such figures would not be delivered."""
        return self.policy == "fail" and isinstance(figures, Mapping) and bool(broken_limits(figures, self.limits))


UNMEASURED = QualityOptions()


def judge(record: SongRecord, take: Take, attempt: TaskAttempt, options: QualityOptions) -> dict[str, Any] | None:
    """Measure a take whose song is in place, and return its figures; None where nothing is measured. Blocks.

    :raises QualityError: it breaks a limit under ``fail``; the record says so, and only a clear makes a new take.
    :raises OutputError: it cannot be read or measured here; a retry does, and submits nothing.
    """
    figures, broken = _judged(take, options)
    # A song that the task returned before is not taken back.
    if not broken or options.policy != "fail" or "delivered" in take:
        return figures
    rejected = record.write_first(take, "rejected", **attempt.metadata, quality=figures, broken=broken)
    if rejected is not None:
        metrics.rejected(rejected)
    raise QualityError(
        f"{_named(take, broken)} It is paid and stays there; nothing is submitted again by itself. To continue: clear "
        "the task with quality='warn', or with wider quality_limits, which delivers this song; or clear it as it is, "
        f"which submits a new take (a second bill). Record: {take.folder.url}"
    )


def judge_landed(take: Take, options: QualityOptions) -> dict[str, Any] | None:
    """Do the same for a sensor, whose clear costs nothing. Errors as of :func:`judge`."""
    figures, broken = _judged(take, options)
    if broken and options.policy == "fail":
        raise QualityError(
            f"{_named(take, broken)} It stays there. To have it all the same: clear this sensor with quality='warn' or "
            "with wider quality_limits, which costs nothing."
        )
    return figures


def _judged(take: Take, options: QualityOptions) -> tuple[dict[str, Any] | None, list[str]]:
    if options.policy == "none" or "completed" not in take:
        return None, []
    uri = str(take["completed"].get("audio_uri"))
    try:
        figures, is_new = _figures(take.audio_folder, uri.rpartition("/")[2], take)
    except ImportError as exc:
        why = f"{uri} cannot be measured here, PyAV is missing ({exc}): {INSTALL}."
        if options.policy == "fail" or options.compares:
            raise OutputError(f"{why} The song is paid and in place; a retry measures it.") from exc
        log.warning(why)
        return None, []
    except OSError as exc:
        raise OutputError(
            f"{uri} cannot be measured: {exc}. The song is paid and in place; a retry measures it."
        ) from exc
    broken = broken_limits(figures, options.limits) if options.policy != "measure" else []
    if broken and is_new:
        metrics.quality_failed(take["completed"].get("model"))
    if broken and (options.policy == "warn" or "delivered" in take):
        how = "The best is delivered." if options.compares else "It is delivered all the same."
        log.warning("%s %s", _named(take, broken), how)
    return figures, broken


def _named(take: Take, broken: list[str]) -> str:
    done = take["completed"]
    limits = f"{len(broken)} limit{'s' if len(broken) > 1 else ''} of quality"
    return f"The song {done.get('audio_uri')} of {done.get('model')} breaks {limits}: {'; '.join(broken)}."


def _figures(folder: Folder, song: str, take: Take) -> tuple[dict[str, Any], bool]:
    """Return a song's figures, and whether they were measured now.

    :raises OSError: the store does not answer.
    """
    content = folder.read(NAME)
    if content is not None:
        found = _known(content)
        if found is not None:
            return found, False
        log.warning("%s holds no figures; the song is measured again", folder.url_of(NAME))
    audio = take["completed"].get("audio") or {}
    with _slots:
        measured = _measured(folder, song, _raw(audio))
    asked = take.facts.get("intent", {}).get("requested_ms")
    figures = {**measured.figures(), **({"requested_ms": asked} if asked else {})}
    if measured.peaks:
        _write(folder, song + PEAKS_SUFFIX, measured.waveform(), indent=None)
    _write(folder, NAME, figures, indent=2)
    log.info("Measured %s: %s", folder.url_of(song), figures)
    return figures, True


def _measured(folder: Folder, song: str, raw: RawPcm | None) -> Quality:
    if folder.is_local:
        return measure(folder.key(song), raw=raw)
    # FFmpeg goes back and forth in a file; every step would be a request to the store.
    with folder.open(song) as remote, tempfile.TemporaryFile(prefix="airflow-music-") as local:
        shutil.copyfileobj(remote, local)
        local.seek(0)
        file: IO[bytes] = local
        return measure(file, raw=raw)


def _raw(audio: Mapping[str, Any]) -> RawPcm | None:
    """Return how to read a song without a header."""
    if audio.get("format") != "pcm":
        return None
    rate, bitrate = audio.get("sample_rate_hz") or 44100, audio.get("bitrate_bps")
    return RawPcm(rate, max(1, round(bitrate / (16 * rate))) if bitrate else 2)


def _known(content: bytes) -> dict[str, Any] | None:
    try:
        found = bounded_json(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) and ("duration_ms" in found or "error" in found) else None


def _write(folder: Folder, name: str, values: Mapping[str, Any], indent: int | None) -> None:
    folder.create(name, (json.dumps(values, indent=indent) + "\n").encode())
