# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where a sensor's wait begins: on a worker, or in the triggerer without a worker having seen the task.

Airflow takes ``start_from_trigger`` and ``start_trigger_args`` from a task when it writes its DAG down. They are
made then and not before, because cluster policies and authors may still change a task after it was made.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_music.sensors.music import MusicGenerationSensor

#: Where no triggerer lives to end a wait in time, Airflow does it, so many seconds after the sensor's deadline.
GRACE_SECONDS = 60.0
_MEASURED = (3, 3, 2)
_LONGEST_SECONDS = 10 * 365 * 86400.0
_MANY_TASKS = 100
_TRIGGER = "airflow_provider_music.triggers.sensed.SensedSongTrigger"
_WANTED = "_wants_start_from_trigger"


class BeginsInTriggerer:
    """``start_from_trigger``: as the author wants it, or where nothing is lost; on the class False, for mapped ones."""

    def __get__(self, sensor: MusicGenerationSensor | None, owner: type | None = None) -> bool:
        # Airflow asks already while the sensor is being made, before the author's wish is known.
        wanted = False if sensor is None else sensor.__dict__.get(_WANTED, False)
        if sensor is None or wanted is False or why_not(sensor) is not None:
            return False
        return wanted is not None or why_rather_not(sensor) is None

    def __set__(self, sensor: MusicGenerationSensor, wanted: bool | None) -> None:  # noqa: FBT001
        sensor.__dict__[_WANTED] = wanted


class TriggererArguments:
    """``start_trigger_args``; on the class None."""

    def __get__(self, sensor: MusicGenerationSensor | None, owner: type | None = None) -> Any:
        if sensor is None or not sensor.start_from_trigger:
            return None
        from airflow.triggers.base import StartTriggerArgs

        return StartTriggerArgs(
            trigger_cls=_TRIGGER,
            trigger_kwargs={"song": _song(sensor)},
            next_method="execute_complete",
            timeout=timedelta(seconds=sensor.timeout + GRACE_SECONDS),
        )


def _airflow() -> tuple[int, ...]:
    from airflow import __version__
    from packaging.version import Version

    return Version(__version__).release


def _song(sensor: MusicGenerationSensor) -> dict[str, Any]:
    """Put together what :class:`~airflow_provider_music.triggers.sensed.SensedSongTrigger` takes."""
    interval, limit = sensor.poll_interval, sensor.timeout + GRACE_SECONDS
    if sensor.execution_timeout is not None:
        limit = min(limit, sensor.execution_timeout.total_seconds())
    return {
        "generation": _written(sensor.generation),
        "model": _written(sensor.model),
        "conn_id": _written(sensor.conn_id),
        "poll_interval": interval.total_seconds() if isinstance(interval, timedelta) else interval,
        "timeout": float(sensor.timeout),
        "limit": float(limit),
    }


def why_not(sensor: MusicGenerationSensor) -> str | None:
    """Say why a sensor's wait cannot begin in the triggerer, whatever its author wants; None if it can."""
    if _airflow() < (3, 3):
        return "before Airflow 3.3 a trigger is told neither its run nor its deadline"
    if not sensor.deferrable:
        return "deferrable=False"
    if sensor.get_closest_mapped_task_group() is not None:
        return "only a worker can look up what a mapped task group hands to each of its instances"
    if sensor.timeout > _LONGEST_SECONDS:
        return "the scheduler would come to a date that does not exist"
    if not (_all_have_defaults(sensor.params) and _all_have_defaults(getattr(sensor.get_dag(), "params", {}))):
        return "a param without a default ends the whole triggerer (Airflow 3.3.2)"
    try:
        _song(sensor)
    except TypeError as exc:
        return str(exc)
    return None


def why_rather_not(sensor: MusicGenerationSensor) -> str | None:
    """Say what would be lost if a sensor's wait began in the triggerer; None if nothing is known of."""
    from airflow.providers.common.compat.sdk import conf

    if _airflow() < _MEASURED:
        return "nobody has measured it there"
    if type(sensor).__module__ != "airflow_provider_music.sensors.music":
        return "a subclass may do something else first"
    if len(getattr(sensor.get_dag(), "task_dict", ())) > _MANY_TASKS:
        return "for every wait the triggerer reads the whole DAG in its loop: 14 ms for 100 tasks, 33 for 300"
    if sensor.pool != "default_pool":
        return "the scheduler asks no pool for a slot"
    if sensor.max_active_tis_per_dag is not None or sensor.max_active_tis_per_dagrun is not None:
        return "the scheduler does not look at how many run at once"
    if sensor.execution_timeout is not None:
        return "execution_timeout would count the wait, which it does not otherwise"
    if conf.getboolean("triggerer", "queues_enabled", fallback=False):
        return "the trigger would be in no queue"
    return None


def _all_have_defaults(params: Any) -> bool:
    found = [params.get_param(name) for name in params]
    return all(param.value is None or param.has_value for param in found)


def _written(value: Any) -> Any:
    """Return what an author wrote as plain JSON, with a reference to an XCom as the template that pulls it.

    :raises TypeError: that cannot be done.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): _written(each) for key, each in value.items()}
    task, key = getattr(value, "operator", None), getattr(value, "key", None)
    if task is None or key is None:
        raise TypeError(f"only a worker can make something of a {type(value).__name__}")
    if task.is_mapped or task.get_closest_mapped_task_group() is not None:
        raise TypeError(f"task {task.task_id!r} is mapped, and the triggerer serves no XComs of such tasks")
    return f"{{{{ ti.xcom_pull(task_ids={task.task_id!r}, key={key!r}) }}}}"
