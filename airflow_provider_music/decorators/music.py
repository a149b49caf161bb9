# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``@task.music`` and ``@task.music_batch``: a function returns the request, and the task is the song.

The function runs in the first half of a try, before anything is sent, and never in the second one: what is landed was
submitted already. What it returns is checked as any request is, and compared with the record: a retry for which it
returns another request, while a song is open, is refused.
"""

from __future__ import annotations

import inspect
from collections import ChainMap
from typing import TYPE_CHECKING, Any

from airflow_provider_music.compat import (
    MULTIPLE_OUTPUTS,
    DecoratedOperator,
    determine_kwargs,
    task_decorator_factory,
)
from airflow_provider_music.operators.batch import GenerateMusicBatchOperator
from airflow_provider_music.operators.generate import GenerateMusicOperator
from airflow_provider_music.operators.whole_request import returned_song, returned_songs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_OF_THE_FUNCTION = ("op_args", "op_kwargs")


class _OfFunction(DecoratedOperator):
    """Calls the function, once a try."""

    @property
    def is_async(self) -> bool:
        """Airflow awaits the tasks of async functions, which are refused here."""
        return False

    def _call(self, context: Any) -> Any:
        # Arguments before the context's names, and the context as it was: the task needs it afterwards.
        names = ChainMap(dict(self.op_kwargs), context)
        return self.python_callable(*self.op_args, **determine_kwargs(self.python_callable, self.op_args, names))


class _MusicDecoratedOperator(_OfFunction, GenerateMusicOperator):
    """The song whose request a function returns."""

    custom_operator_name = "@task.music"
    template_fields: Sequence[str] = (*_OF_THE_FUNCTION, *GenerateMusicOperator.template_fields)
    template_fields_renderers = {  # noqa: RUF012 - Airflow's own form
        **DecoratedOperator.template_fields_renderers,
        **GenerateMusicOperator.template_fields_renderers,
    }
    #: None in the second half of a try.
    _returned: dict[str, Any] | None = None

    def __init__(self, *, python_callable: Callable[..., Any], **kwargs: Any) -> None:
        _check_call(python_callable, kwargs, "request")
        super().__init__(python_callable=python_callable, **{**kwargs, "multiple_outputs": MULTIPLE_OUTPUTS})

    def _note_templates(self) -> None:
        super()._note_templates()
        self.template_sources = _without_results(self.template_sources)

    def _check_as_written(self) -> None:
        """Leave it to the run, which has the rest of the request."""

    def _begin(self, context: Any) -> None:
        super()._begin(context)
        self._returned = None
        self._returned = returned_song(self._call(context), self._own_fields())

    def _whole_request(self) -> Any:
        return self._returned


class _MusicBatchDecoratedOperator(_OfFunction, GenerateMusicBatchOperator):
    """The songs whose requests a function returns."""

    custom_operator_name = "@task.music_batch"
    template_fields: Sequence[str] = (*_OF_THE_FUNCTION, *GenerateMusicBatchOperator.template_fields)
    template_fields_renderers = {  # noqa: RUF012 - Airflow's own form
        **DecoratedOperator.template_fields_renderers,
        **GenerateMusicBatchOperator.template_fields_renderers,
    }

    def __init__(self, *, python_callable: Callable[..., Any], **kwargs: Any) -> None:
        _check_call(python_callable, kwargs, "requests")
        super().__init__(
            python_callable=python_callable, **{**kwargs, "requests": (), "multiple_outputs": MULTIPLE_OUTPUTS}
        )

    def _note_templates(self) -> None:
        super()._note_templates()
        self.template_sources = _without_results(self.template_sources)

    def _check_as_written(self) -> None:
        """Leave it to the run, which has the requests."""

    def _begin(self, context: Any) -> None:
        super()._begin(context)
        self.requests = returned_songs(self._call(context))


def _without_results(sources: dict[str, Any]) -> dict[str, Any]:
    """Leave out the results of other tasks that the function takes: what a None means is its own business."""
    own = {name: _templates(source) for name, source in sources.items() if name in _OF_THE_FUNCTION}
    kept = {name: source for name, source in sources.items() if name not in own}
    return {**kept, **{name: source for name, source in own.items() if source}}


def _templates(source: Any) -> Any:
    if isinstance(source, dict):
        return {place: found for place, inner in source.items() if (found := _templates(inner))}
    return source if isinstance(source, str) else None


def _check_call(function: Callable[..., Any], arguments: dict[str, Any], returned: str) -> None:
    if returned in arguments:
        raise TypeError(f"{returned}: the function returns it; leave it out of the decorator's call.")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError(f"{getattr(function, '__name__', function)} is no plain function; write def, and return.")


def music_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> Any:
    """Make a function's result the request of a song; the task is that of :class:`GenerateMusicOperator`.

    The function returns a dict of the operator's request fields, a class of :mod:`airflow_provider_music.requests`, or
    the prompt as text. Its arguments can be XComs and names of the context.

    :param kwargs: arguments of the operator: ``model`` and other fields that the function does not return,
        ``output_dir``, ``conn_id``, ``max_usd``, ...
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_MusicDecoratedOperator, **kwargs
    )


def music_batch_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> Any:
    """Make a function's result the requests of a batch; the task is that of :class:`GenerateMusicBatchOperator`.

    :param kwargs: arguments of the operator: ``output_dir``, ``max_in_flight``, ``on_partial``, ...
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_MusicBatchDecoratedOperator, **kwargs
    )
