# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the operators that generate songs have in common: their arguments, checked when the DAG file is parsed."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_music.api.connection import conn_id_of
from airflow_provider_music.api.naming import nearest
from airflow_provider_music.api.parsing import seconds_of
from airflow_provider_music.api.plain import is_mapped, is_plain
from airflow_provider_music.api.rendered import is_nothing, nothing_mapped, nothing_rendered, sources_by_name
from airflow_provider_music.api.rights import rights_line
from airflow_provider_music.audio.quality_limits import check_quality
from airflow_provider_music.compat import MULTIPLE_OUTPUTS, BaseOperator
from airflow_provider_music.exceptions import (
    BudgetExceededError,
    HopelessBatchError,
    InvalidRequestError,
    OutOfCreditsError,
)
from airflow_provider_music.lineage.mixin import LineageMixin
from airflow_provider_music.provenance.attach import check_provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_music.audio.quality_limits import QualityPolicy
    from airflow_provider_music.provenance.attach import ProvenancePolicy
    from airflow_provider_music.record.policy import OnUnknown

OnUnknownPrice = Literal["refuse", "allow"]
DEFAULT_TIMEOUT = timedelta(hours=1)
DEFAULT_REUSE_AGE = timedelta(days=30)


class GenerationOperator(LineageMixin, BaseOperator):
    """Base of the operators that generate songs.

    :param output_dir: where songs go, any ``ObjectStoragePath`` URL or an absolute folder that workers and triggerer
        share; templated; default ``[music] output_dir``.
    :param record_dir: where their records go, the same in every try, so it is no template. Default: the part of
        ``output_dir`` before its first template, or ``[music] record_dir`` where there is none or it is mapped.
    :param conn_id: Airflow connection id.
    :param poll_interval: time between polls of one song, as ``timeout``; default is the model's own pace.
    :param timeout: how long a try waits for all of its songs, as seconds, ``timedelta`` or text (``"1h30m"``, or
        ``"PT1H30M"`` by ISO 8601); an absolute deadline that no restart extends. The API cannot cancel: a song that
        misses it is paid, and a retry waits on for it.
    :param on_unknown: what to do when the answer to a paid request is lost and cannot be found: ``fail`` ends the
        task without using its retries, and says what may have been billed; ``resubmit`` submits again, once a try.
    :param max_usd: refuse, before anything is sent, what could take this task over that many US dollars, with all of
        its songs, tries and takes; templated. An estimate from the prices that the API quotes: the API bills.
    :param on_unknown_price: with ``max_usd``, when a price cannot be known: ``refuse`` or ``allow``.
    :param budget: name of a shared budget, defined in ``[music] budgets`` or in the connection's extra ``budgets``:
        what all tasks that name it may spend together in a day, week or month; templated. What has no room in it is
        refused before it is sent. ``on_unknown_price`` applies to it too.
    :param reuse: ``identical`` hands out the song of the same request, of any task and run with this account and folder
        of records, in place of paying again: the same model and fields. Tasks that make it at once pay once.
    :param reuse_age: how old such a song may be, as ``timeout`` takes it.
    :param provenance: what says where a song came from: ``manifest`` leaves a JSON file beside it, ``tags`` writes
        the same into the song's own tags too, ``c2pa`` signs Content Credentials on top (extra ``c2pa``), ``none``
        leaves nothing. ``embed`` is the old name of ``tags``. See :mod:`airflow_provider_music.provenance`.
    :param c2pa_conn_id: Airflow connection of type ``c2pa``, whose certificate and key sign.
    :param quality: what is measured of a song once it is in place (extra ``quality``): ``measure`` reports the figures,
        ``warn`` logs broken limits, ``fail`` ends the task over one and keeps the song, ``none`` measures nothing.
    :param quality_limits: in place of defaults, ``{"min_loudness_lufs": -20, "min_channels": None}``.
    :param keep_request: write the words of a song (``prompt``, ``lyrics``, ``negative_prompt``) beside its audio, as
        ``song.request.json`` (by the song's name, if it has one); by default they are in no file that stays.
    :param rights: under which licence or consent a song is made: one line of text or a document's URI, for its
        disclosure sheet. Not sent, and no part of what is compared: a changed one pays nothing; templated.
    :param require_rights: refuse to submit a request without ``rights``, as ``[music] require_rights`` does for all.
    :param deferrable: False waits on the worker.
    :raises ValueError: an argument that cannot be; names it, its value and the fix.
    """

    ui_color = "#e6dcf5"

    def __init__(
        self,
        *,
        output_dir: Any = None,
        record_dir: Any = None,
        conn_id: str = "music_default",
        poll_interval: timedelta | float | str | None = None,
        timeout: timedelta | float | str = DEFAULT_TIMEOUT,
        on_unknown: OnUnknown = "fail",
        max_usd: float | str | None = None,
        on_unknown_price: OnUnknownPrice = "refuse",
        budget: str | None = None,
        reuse: Literal["identical"] | None = None,
        reuse_age: timedelta | float | str = DEFAULT_REUSE_AGE,
        provenance: ProvenancePolicy = "manifest",
        c2pa_conn_id: str = "c2pa_default",
        quality: QualityPolicy = "none",
        quality_limits: Mapping[str, float | None] | None = None,
        keep_request: bool = False,
        rights: str | None = None,
        require_rights: bool = False,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", MULTIPLE_OUTPUTS)
        check_names(type(self), kwargs)
        super().__init__(**kwargs)
        self.output_dir = output_dir
        #: As the DAG has it. The record lies below its static part, whatever a template makes of the rest.
        self.output_dir_template = output_dir
        self.record_dir = record_dir
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.on_unknown = on_unknown
        self.max_usd = max_usd
        self.on_unknown_price = on_unknown_price
        self.budget = budget
        self.reuse = reuse
        self.reuse_age = reuse_age
        self.provenance = provenance
        self.c2pa_conn_id = c2pa_conn_id
        self.quality = quality
        self.quality_limits = quality_limits
        self.keep_request = keep_request
        self.rights = rights
        self.require_rights = require_rights
        self.deferrable = deferrable
        check_rights_as_written(self)
        check_provenance(provenance)
        check_quality(quality, quality_limits)
        check_waiting(on_unknown=on_unknown, timeout=timeout, poll_interval=poll_interval)
        _check_spending(max_usd, on_unknown_price)
        _check_reuse(reuse, reuse_age)

    def _note_templates(self) -> None:
        """Note which fields hold templates, before Airflow renders them; called at the end of a constructor."""
        self.template_sources = sources_by_name({name: getattr(self, name, None) for name in self.template_fields})

    def _check_rendered(self, context: Any) -> None:
        """Refuse a field whose template came out as nothing; what the DAG's author wrote is taken as it is.

        :raises InvalidRequestError: there is one; nothing was sent.
        """
        mapped = _mapped_input(self, context)
        problems = []
        for name in self.template_fields:
            value = getattr(self, name, None)
            if name == "output_dir" and is_nothing(value):
                # A folder that is none has an error of its own.
                continue
            problems += nothing_rendered(name, self.template_sources.get(name), value)
            if name not in self.template_sources and mapped is not None:
                problems += nothing_mapped(name, mapped, value)
        if problems:
            raise InvalidRequestError(problems, f"The task {self.task_id}")

    def _use_conn_id(self) -> None:
        """Take the connection's id as text: native rendering makes a number of an id of digits."""
        self.conn_id = conn_id_of(self.conn_id)

    def _run(self, context: Any, half: Callable[[Any], Any], *, first: bool = False) -> dict[str, Any]:
        """Do one half of a try: check the request where it is the first, then continue from the record."""

        def work() -> dict[str, Any]:
            if first:
                self._begin(context)
            return self._returned_or_deferred(context, half)

        with for_retry_policy(self):
            return self._run_with_lineage(context, work)

    def _begin(self, context: Any) -> None:
        """Check what the templates gave; only the first half of a try does."""
        self._check_rendered(context)

    def _returned_or_deferred(self, context: Any, half: Callable[[Any], Any]) -> dict[str, Any]:
        raise NotImplementedError

    def on_kill(self) -> None:
        """Say what a kill means for the bill; the API has no cancel."""
        self.log.warning(
            "Killed. The API cannot cancel: a generation that it accepted keeps running and is billed. Its record "
            "stays; clearing this task resumes it."
        )


@contextlib.contextmanager
def for_retry_policy(task: Any) -> Iterator[None]:
    """Raise what time alone can mend in the form that Airflow asks the task's retry policy about, where it has one.

    Another try costs nothing then: the API refused the former request and does not bill it.
    """
    try:
        yield
    except (OutOfCreditsError, BudgetExceededError, HopelessBatchError) as exc:
        if getattr(task, "retry_policy", None) is None:
            raise
        raise exc.for_policy().with_traceback(exc.__traceback__) from None


def check_names(operator: type, arguments: Mapping[str, Any]) -> None:
    """Refuse an argument that Airflow does not know either, where it is near to one that there is.

    :raises TypeError: names the nearest right one.
    """
    known = _arguments_of(operator)
    for name in arguments:
        near = nearest(name, known) if name not in known and not name.startswith("_") else None
        if near is not None:
            raise TypeError(f"{operator.__name__} has no argument {name!r}; did you mean {near}?")


@functools.cache
def _arguments_of(operator: type) -> tuple[str, ...]:
    """Return the names of an operator's arguments, its own first."""
    constructors = [each.__init__ for each in operator.__mro__]  # type: ignore[misc]
    found = [name for each in constructors for name in inspect.signature(each).parameters]
    return tuple(name for name in dict.fromkeys(found) if name not in ("self", "args", "kwargs", "context"))


def check_rights_as_written(task: Any) -> None:
    """Check the ``rights`` of a task as the DAG file has them.

    :raises InvalidRequestError: they can be none; nothing was sent.
    """
    if is_plain(task.rights) and not is_mapped(task):
        rights_line(task.rights)


def rights_of(task: Any, context: Any) -> str | None:
    """Return the ``rights`` of a task that sends a track, by the same rules as those of a song; None without any.

    :raises InvalidRequestError: they came out as nothing, or can be none; nothing was sent.
    """
    problems = nothing_rendered("rights", task.rights_source, task.rights)
    mapped = _mapped_input(task, context)
    if task.rights_source is None and mapped is not None:
        problems += nothing_mapped("rights", mapped, task.rights)
    if problems:
        raise InvalidRequestError(problems, f"The task {task.task_id}")
    return rights_line(task.rights)


def _mapped_input(task: Any, context: Any) -> Any:
    """Return what ``expand`` or ``expand_kwargs`` was given, as the DAG has it; None for a task that is not mapped."""
    tasks = getattr(context.get("dag"), "task_dict", {})
    return getattr(getattr(tasks.get(task.task_id), "expand_input", None), "value", None)


def check_waiting(
    *, on_unknown: str, timeout: timedelta | float | str, poll_interval: timedelta | float | str | None
) -> None:
    """Refuse times and a policy that cannot be.

    :raises ValueError: names the argument, its value and the fix.
    """
    if on_unknown not in ("fail", "resubmit"):
        raise ValueError(f"on_unknown: {on_unknown!r}; give 'fail' or 'resubmit'.")
    if seconds_of(timeout, "timeout") <= 0:
        raise ValueError(f"timeout: {timeout!r}; give a time above 0.")
    if poll_interval is not None and seconds_of(poll_interval, "poll_interval") <= 0:
        raise ValueError(f"poll_interval: {poll_interval!r}; give a time above 0, or None for the model's pace.")


def _check_reuse(reuse: object, reuse_age: timedelta | float | str) -> None:
    if reuse not in ("identical", None):
        raise ValueError(f"reuse: {reuse!r}; give 'identical' or None.")
    if seconds_of(reuse_age, "reuse_age") <= 0:
        raise ValueError(f"reuse_age: {reuse_age!r}; give a time above 0.")


def _check_spending(max_usd: object, on_unknown_price: str) -> None:
    # A template of max_usd is read when the task runs.
    if isinstance(max_usd, int | float) and not (0 <= max_usd < math.inf and not isinstance(max_usd, bool)):
        raise ValueError(f"max_usd: {max_usd!r}; give US dollars of 0 or more, or None for no limit.")
    if on_unknown_price not in get_args(OnUnknownPrice):
        raise ValueError(f"on_unknown_price: {on_unknown_price!r}; give 'refuse' or 'allow'.")
