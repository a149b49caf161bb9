# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where the record and the audio of a task's songs lie: worked out once, by the first half of a try.

The record must lie in the same folder at every try, so no rendered template decides on it. The audio may lie wherever a
template says; the record says where. Second halves take both from the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_music.compat import conf
from airflow_provider_music.storage.folder import default_output_dir
from airflow_provider_music.storage.location import location, static_part
from airflow_provider_music.storage.sharing import check_shared

if TYPE_CHECKING:
    from airflow_provider_music.record.identity import SongIdentity
    from airflow_provider_music.record.take import Take


@dataclass(frozen=True, slots=True)
class FolderOptions:
    """What a task says about its folders.

    :param output_dir: as it is rendered; None is ``[music] output_dir``.
    :param template: the same as the DAG has it; None where it is not given.
    :param is_mapped: whether each mapped task has another one.
    :param record_dir: the operator's argument.
    :param executor: what runs the task, see :func:`airflow_provider_music.storage.sharing.executor_of`.
    """

    output_dir: Any
    template: Any
    is_mapped: bool
    record_dir: Any
    executor: str | None


@dataclass(frozen=True, slots=True)
class SongFolders:
    """URLs of the folders of a task instance: of its takes' facts, and of their audio."""

    record_url: str
    audio_url: str

    def song(self, index: int) -> SongFolders:
        """Return those of a batch's song."""
        return SongFolders(f"{self.record_url}/song-{index}", f"{self.audio_url}/song-{index}")

    @classmethod
    def of(cls, options: FolderOptions, identity: SongIdentity) -> SongFolders:
        """Work them out.

        :raises InvalidFolderError: a folder that cannot be meant; nothing was sent.
        :raises StorageNotSharedError: a folder of this machine, and the task's tries run on others; nothing was sent.
        """
        audio = location(options.output_dir, "output_dir") if options.template is not None else _default_audio()
        record = record_root(options)
        for url, name in ((record, "record_dir" if record != audio else "output_dir"), (audio, "output_dir")):
            check_shared(url, options.executor, name)
        return cls(identity.folder(record).url, identity.folder(audio).url)


def folders_of(take: Take, record_url: str) -> SongFolders:
    """Return the folders of a song that has a take: its intent says where audio lies."""
    audio_url = str(take["intent"].get("audio_url") or "").rpartition("/")[0]
    return SongFolders(record_url, audio_url or record_url)


def record_root(options: FolderOptions) -> str:
    """Return the folder below which the records of all tasks with such options lie.

    :raises InvalidFolderError: it cannot be meant.
    """
    if options.record_dir is not None:
        return location(options.record_dir, "record_dir")
    fixed = None
    if options.template is not None and not options.is_mapped:
        fixed = static_part(_text(options.template))
    return location(fixed, "output_dir") if fixed is not None else _default_record()


def default_record_dir() -> str:
    """``[music] record_dir``, or ``[music] output_dir`` where it is not set."""
    return conf.get("music", "record_dir", fallback="") or default_output_dir()


def is_mapped(task: Any, context: Any, argument: str) -> bool:
    """Whether an argument of a task is mapped (``expand``), so that no template of it is left to see."""
    dag = context.get("dag")
    mapped = getattr(dag, "task_dict", {}).get(task.task_id) if dag is not None else None
    given = getattr(getattr(mapped, "expand_input", None), "value", None)
    if given is None:
        return False
    if isinstance(given, dict):
        return argument in given
    # expand_kwargs: a list of dicts, or an XCom that will be one.
    return not isinstance(given, list | tuple) or any(not isinstance(one, dict) or argument in one for one in given)


def _text(template: Any) -> Any:
    # An object (a path, an XCom) is taken as it is, where it is a folder at all.
    return template if isinstance(template, str) else _location_or_none(template)


def _location_or_none(value: Any) -> str | None:
    from airflow_provider_music.exceptions import InvalidFolderError

    try:
        return location(value, "output_dir")
    except InvalidFolderError:
        return None


def _default_audio() -> str:
    return location(default_output_dir(), "[music] output_dir")


def _default_record() -> str:
    return location(default_record_dir(), "[music] record_dir")
