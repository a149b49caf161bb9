# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The harness's own DAG: a task that waits in the triggerer, and two that take what it says."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_music.compat import DAG, BaseOperator, task

try:
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
except ImportError:  # 2.11 has it in its core
    from airflow.triggers.temporal import TimeDeltaTrigger


class WaitOperator(BaseOperator):
    """Wait without a worker."""

    def execute(self, context: Any) -> None:
        """Hand the wait over to the triggerer."""
        seconds = float(context["dag_run"].conf.get("seconds", 8))
        self.log.info("waiting %s s", seconds)
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=seconds)), method_name="waited")

    def waited(self, context: Any, event: Any) -> dict[str, Any]:
        """Hand on that the wait is over."""
        context["ti"].xcom_push("word", "done")
        return {"waited": True, "event": str(event)}


@task(retries=2, retry_delay=timedelta(seconds=1))
def take(number: int, waited: dict[str, Any]) -> list[Any]:
    """Hand on the number with what the wait left."""
    print(f"taking {number}")  # noqa: T201
    return [number, waited["waited"]]


with DAG("wait_a_little", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None, catchup=False):
    wait = WaitOperator(task_id="wait", retries=2, retry_delay=timedelta(seconds=1))
    take.partial(waited=wait.output).expand(number=[1, 2])
