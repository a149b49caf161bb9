# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A retry policy that waits for a top-up or for the API's rate without spending a try. Needs Airflow 3.4.

Airflow asks a policy on the worker after a failure. This one never leads to a second bill: it runs the task again, and
what a task may submit is decided by its record, as in every other try.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_music.compat import AIRFLOW, AirflowOptionalProviderFeatureException, RetryPolicy
from airflow_provider_music.exceptions import BudgetSpentError, NoCreditsError, PartialBatchError, RateLimitedError

if TYPE_CHECKING:
    from airflow_provider_music.compat import RetryDecision

#: The first Airflow that can put a task off without spending a try.
_SINCE = (3, 4, 0)
#: A busy scheduler that has not seen the former run's exit yet fails a task that runs again: seen 6 s after it.
LEAST_DELAY = timedelta(seconds=15)
DEFAULT_DELAY = timedelta(minutes=15)
DEFAULT_TIMEOUT = timedelta(days=1)


class MusicRetryPolicy(RetryPolicy):
    """Put a task off while the account is empty or the API takes no more requests; other errors are left to Airflow.

    The task waits as ``up_for_reschedule``: it holds no worker, its try number stays, and ``retries`` stay unused. A
    batch is put off where nothing but this keeps its missing songs back; those in storage are not submitted again.
    Past a bound the failure is one as any other, and Airflow's retries apply, each with bounds of its own.

    :param delay: time to the next run, 15 s or more; longer where the API asks for it (``Retry-After``), up to a day.
    :param reschedule_timeout: how long after a try was first put off; None for no such bound.
    :param max_reschedules: how often a try is put off; None for no such bound.
    :raises ValueError: a time that cannot be, or no bound at all.
    :raises AirflowOptionalProviderFeatureException: this Airflow is older than 3.4.
    """

    def __init__(
        self,
        *,
        delay: timedelta = DEFAULT_DELAY,
        reschedule_timeout: timedelta | None = DEFAULT_TIMEOUT,
        max_reschedules: int | None = None,
    ) -> None:
        if AIRFLOW < _SINCE:
            raise AirflowOptionalProviderFeatureException(
                "MusicRetryPolicy puts a task off without spending a try, which needs Airflow 3.4; this is Airflow "
                f"{'.'.join(map(str, AIRFLOW))}. Without it a task whose account is empty fails at once, not billed: "
                "clear it after a top-up. On Airflow 3.3 the retries of a task can wait for one: give it an "
                "ExceptionRetryPolicy with a rule for airflow_provider_music.exceptions.NoCreditsError."
            )
        if not isinstance(delay, timedelta) or delay < LEAST_DELAY:
            raise ValueError(
                f"delay: {delay!r}; give a timedelta of {LEAST_DELAY.total_seconds():g} s or more. A busy scheduler "
                "fails a task that runs again sooner."
            )
        self.delay = delay
        self.reschedule_timeout = reschedule_timeout
        self.max_reschedules = max_reschedules
        # Airflow's own check of the bounds, when the DAG file is parsed and not when credits run out.
        self._put_off(delay, "")

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - Airflow's own signature
        max_tries: int,  # noqa: ARG002
        context: Any = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Decide about one failure; runs on the worker."""
        from airflow_provider_music.compat import RetryDecision

        if isinstance(exception, NoCreditsError):
            why = "the account is empty; nothing is billed, and the task runs again to see whether it was topped up"
        elif isinstance(exception, RateLimitedError):
            why = "the API takes no more requests now; nothing is billed"
        elif isinstance(exception, BudgetSpentError):
            why = "the shared budget is spent; nothing was sent, and the task runs again in its next period"
        elif isinstance(exception, PartialBatchError) and exception.only_waits:
            why = "the missing songs were refused for want of credits or for the rate; nothing is billed for them"
        else:
            return RetryDecision.default()
        return self._put_off(max(self.delay, _asked_for(exception)), why)

    def serialize(self) -> dict[str, Any]:
        """Return its settings as JSON."""
        timeout = self.reschedule_timeout
        return {
            "delay": self.delay.total_seconds(),
            "reschedule_timeout": timeout.total_seconds() if timeout is not None else None,
            "max_reschedules": self.max_reschedules,
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> MusicRetryPolicy:
        """Make it again from :meth:`serialize`."""
        timeout = data["reschedule_timeout"]
        return cls(
            delay=timedelta(seconds=data["delay"]),
            reschedule_timeout=timedelta(seconds=timeout) if timeout is not None else None,
            max_reschedules=data["max_reschedules"],
        )

    def _put_off(self, delay: timedelta, why: str) -> RetryDecision:
        from airflow_provider_music import compat

        # Any: the newest final Airflow, which types are checked against, has no reschedule() yet.
        decision: Any = compat.RetryDecision
        bounds = {"max_reschedules": self.max_reschedules, "reschedule_timeout": self.reschedule_timeout}
        made: RetryDecision = decision.reschedule(delay, **bounds, reason=why)
        return made


def _asked_for(exception: BaseException) -> timedelta:
    """Return how long the API asked to wait; what it says is not trusted beyond a day."""
    asked = getattr(exception, "retry_after", None) or 0.0
    return timedelta(seconds=min(max(asked, 0.0), DEFAULT_TIMEOUT.total_seconds()))
