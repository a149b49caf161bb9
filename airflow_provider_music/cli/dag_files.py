# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The requests in DAG files, as far as they can be seen before a run: what no template makes.

A file is loaded as Airflow loads it, so its code runs.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.fields import REQUEST_KEYS, SONG_KEYS, UNSENT_KEYS
from airflow_provider_music.api.purposes import purpose_problem
from airflow_provider_music.api.rendered import sources_of
from airflow_provider_music.api.request import PreparedRequest, listed, prepare_one
from airflow_provider_music.api.rights import MISSING, rights_line, rights_required
from airflow_provider_music.compat import DecoratedOperator
from airflow_provider_music.exceptions import InvalidFolderError, InvalidRequestError
from airflow_provider_music.operators.music import (
    GenerateMusicBatchOperator,
    GenerateMusicOperator,
    PreprocessCoverOperator,
    UploadReferenceOperator,
)
from airflow_provider_music.storage.location import location, static_part

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Stands for what a template makes; any text will do, since what is given in extra_body is not checked.
_RENDERED = "{{ rendered when the task runs }}"
_FOLDERS = ("output_dir", "record_dir")


@dataclass
class TaskRequests:
    """What one task of this package would submit in a run.

    :param problems: mistakes that can be seen now.
    :param requests: what is known of its songs, without the fields that a template makes.
    :param unknown: why there may be more songs than these, or None.
    """

    file: str
    dag_id: str
    task_id: str
    problems: list[str] = field(default_factory=list)
    requests: list[PreparedRequest] = field(default_factory=list)
    unknown: str | None = None


@dataclass
class Loaded:
    """What DAG files hold.

    :param errors: files that cannot be loaded, and why.
    """

    tasks: list[TaskRequests] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    dags: int = 0


def load(path: str) -> Loaded:
    """Load a DAG file, or a folder of them.

    :raises OSError: there is none.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} does not exist")
    bag = _bag(str(Path(path).resolve()))
    found = Loaded(errors={str(file): _last_line(error) for file, error in bag.import_errors.items()})
    for dag in bag.dags.values():
        found.dags += 1
        found.tasks += [one for task in dag.tasks if (one := _requests_of(dag, task)) is not None]
    return found


def _bag(path: str) -> Any:
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        # Before Airflow 3.2.
        from airflow.models.dagbag import DagBag  # type: ignore[attr-defined, no-redef]
    # A file that is named is loaded; of a folder those that Airflow would take for DAG files.
    wanted = {
        "safe_mode": Path(path).is_dir(),
        "include_examples": False,
        "read_dags_from_db": False,
        "load_op_links": False,
    }
    known, make = inspect.signature(DagBag).parameters, _untyped(DagBag)
    # What Airflow and the files say while they are loaded; an error comes in the bag.
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return make(path, **{name: value for name, value in wanted.items() if name in known})
    finally:
        logging.disable(logging.NOTSET)


def _untyped(value: Any) -> Any:
    """Return it: what it takes differs from one Airflow to the next."""
    return value


def _last_line(error: str) -> str:
    return next((line.strip() for line in reversed(error.splitlines()) if line.strip()), "it cannot be loaded")


_OURS = (GenerateMusicOperator, GenerateMusicBatchOperator, UploadReferenceOperator, PreprocessCoverOperator)


def _requests_of(dag: Any, task: Any) -> TaskRequests | None:
    """Return what a task would submit; None for a task of another package."""
    operator, variants = _variants_of(task)
    if not (isinstance(operator, type) and issubclass(operator, _OURS)):
        return None
    found = TaskRequests(str(getattr(dag, "fileloc", "")), dag.dag_id, task.task_id)
    if variants is None:
        found.unknown = "how many tasks it is expanded to is known in a run only"
        variants = [_once_expanded(task)]
    for place, arguments in enumerate(variants):
        label = f"[{place}] " if len(variants) > 1 else ""
        _add(found, operator, arguments, label)
    return found


def _variants_of(task: Any) -> tuple[Any, list[dict[str, Any]] | None]:
    """Return a task's class, and the arguments of each task that it becomes; None where only a run says."""
    if not hasattr(task, "partial_kwargs"):
        return type(task), [vars(task)]
    partial, mapped = dict(task.partial_kwargs), getattr(task.expand_input, "value", None)
    if isinstance(mapped, Mapping):
        values = mapped.values()
        if not all(isinstance(value, list | tuple) for value in values):
            return task.operator_class, None
        found = [dict(zip(mapped, each, strict=True)) for each in itertools.product(*values)]
    elif isinstance(mapped, list | tuple) and all(isinstance(one, Mapping) for one in mapped):
        found = [dict(one) for one in mapped]
    else:
        return task.operator_class, None
    return task.operator_class, [{**partial, **one} for one in found]


def _once_expanded(task: Any) -> dict[str, Any]:
    """Return the arguments of one of the tasks that a task becomes in a run."""
    mapped = getattr(task.expand_input, "value", None)
    # With expand_kwargs any argument may come from there.
    names = tuple(mapped) if isinstance(mapped, Mapping) else ("requests", *REQUEST_KEYS)
    return {**dict.fromkeys(names, _RENDERED), **task.partial_kwargs}


def _add(found: TaskRequests, operator: type, arguments: Mapping[str, Any], label: str) -> None:
    for name in _FOLDERS:
        if arguments.get(name) is not None and static_part(arguments[name]) == arguments[name]:
            _check_folder(name, arguments[name], found.problems)
    whole, rights = arguments.get("request"), arguments.get("rights")
    needed = rights is None and rights_required(arguments.get("require_rights"))
    _check_rights(rights, found.problems)
    if issubclass(operator, DecoratedOperator):
        found.unknown = "a function makes its requests when the task runs"
    elif issubclass(operator, GenerateMusicOperator) and whole is not None:
        if sources_of(whole) is None or isinstance(whole, Mapping):
            _add_song(found, whole, label, arguments.get("takes"), needs_rights=needed)
        else:
            found.unknown = "its request is known in a run only"
    elif issubclass(operator, GenerateMusicOperator):
        song = {name: arguments[name] for name in (*SONG_KEYS, "name") if name in arguments}
        _add_song(found, song, label, arguments.get("takes"), needs_rights=needed)
    elif issubclass(operator, GenerateMusicBatchOperator):
        _add_batch(found, arguments.get("requests"), label, needs_rights=needed)
    elif issubclass(operator, UploadReferenceOperator):
        _check_purpose(arguments.get("purpose", "song"), found.problems)
        found.problems += [MISSING] if needed else []
    else:
        found.problems += [MISSING] if needed else []
        found.unknown = "the API does not say what the analysis of a reference costs"


def _add_song(found: TaskRequests, song: Any, label: str, takes: Any = None, *, needs_rights: bool) -> None:
    if needs_rights and isinstance(song, Mapping) and song.get("rights") is None:
        found.problems.append(f"{label}{MISSING}")
    try:
        # Each take of it is a request, and a bill.
        found.requests += [_prepared(song)] * (takes if isinstance(takes, int) else 1)
    except InvalidRequestError as exc:
        found.problems += [f"{label}{problem}" for problem in exc.problems]
    except LookupError as exc:
        found.unknown = f"{label}{exc.args[0]}"


def _add_batch(found: TaskRequests, requests: Any, label: str, *, needs_rights: bool) -> None:
    if not isinstance(requests, list | tuple) and sources_of(requests) is not None:
        found.unknown = "its list of requests is known in a run only"
        return
    try:
        songs = listed(requests)
    except InvalidRequestError as exc:
        found.problems += exc.problems
        return
    for place, song in enumerate(songs):
        _add_song(found, song, f"{label}requests[{place}] ", needs_rights=needs_rights)


def _prepared(song: Any) -> PreparedRequest:
    """Check what no template makes of a song's request.

    :raises InvalidRequestError: it has a mistake already.
    :raises LookupError: a template makes the model, so nothing can be checked.
    """
    if not isinstance(song, dict):
        return prepare_one(song)
    given = {name: value for name, value in song.items() if value is not None and not _is_made_later(name, value)}
    templated = {name for name, value in given.items() if value == _RENDERED or sources_of(value) is not None}
    if "model" in templated:
        raise LookupError("a template makes the model")
    extra = given.get("extra_body") if "extra_body" not in templated else None
    later = dict.fromkeys(templated - {"extra_body"}, _RENDERED)
    static = {name: value for name, value in given.items() if name not in templated}
    if later:
        # What is given there is not checked, and not missed.
        static["extra_body"] = {**later, **extra} if isinstance(extra, Mapping) else later
    request = prepare_one(static)
    # A price must not be low for what is not known yet.
    body = {name: value for name, value in request.body.items() if value != _RENDERED}
    return replace(request, body=body, notes=tuple(sorted(templated)))


def _is_made_later(name: Any, value: Any) -> bool:
    """Whether a template makes this, and nothing of it is sent: the name of a song's files, or its rights."""
    return name in UNSENT_KEYS and (value == _RENDERED or sources_of(value) is not None)


def _check_rights(value: Any, problems: list[str]) -> None:
    if value is None or value == _RENDERED or sources_of(value) is not None:
        return
    try:
        rights_line(value)
    except InvalidRequestError as exc:
        problems += exc.problems


def _check_folder(name: str, value: Any, problems: list[str]) -> None:
    try:
        location(value, name)
    except InvalidFolderError as exc:
        problems.append(str(exc))


def _check_purpose(purpose: Any, problems: list[str]) -> None:
    wrong = purpose_problem(purpose) if isinstance(purpose, str) and sources_of(purpose) is None else None
    if wrong is not None:
        problems.append(wrong)


def tasks_of(loaded: Loaded) -> Iterator[TaskRequests]:
    """Yield the tasks in the order of their DAGs."""
    yield from sorted(loaded.tasks, key=lambda one: (one.file, one.dag_id, one.task_id))
