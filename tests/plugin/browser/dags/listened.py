# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs that are listened to in a browser. The words of one of them would like to run."""

from datetime import UTC, datetime, timedelta

from airflow_provider_music.compat import DAG, task
from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator

HERE = {"start_date": datetime(2026, 1, 1, tzinfo=UTC), "catchup": False, "schedule": None}
PATIENT = {"retries": 2, "retry_delay": timedelta(seconds=1)}
SCRIPT = "<script>document.title = 'taken over'</script><img src=x onerror=\"document.title = 'taken over'\">"

with DAG("heard", default_args=PATIENT, **HERE):
    GenerateMusicOperator(
        task_id="song",
        model="minimax/music-2.6",
        prompt=f"a slow river {SCRIPT}",
        lyrics=f"[Verse]\nNothing moves but fog\n{SCRIPT}",
        audio_setting={"format": "wav", "sample_rate": 44100, "bitrate": 256000},
        poll_interval=1,
    )


class Jingle(GenerateMusicOperator):
    """A class of a user's own."""


with DAG("heard_of_a_class", default_args=PATIENT, **HERE):
    Jingle(task_id="jingle", model="stable-audio", prompt="three notes on a glockenspiel", poll_interval=1)

    @task.music(model="stable-audio", poll_interval=1)
    def decorated() -> str:
        """Return the prompt."""
        return "a far bell over a valley"

    @task
    def another() -> str:
        """Make no song."""
        return "a prompt"

    decorated()
    another()

with DAG("heard_many", default_args=PATIENT, **HERE):
    GenerateMusicBatchOperator(
        task_id="songs",
        requests=[{"model": "stable-audio", "prompt": f"a bell, {n} times"} for n in range(3)],
        poll_interval=1,
    )

with DAG("heard_each", default_args=PATIENT, **HERE):
    GenerateMusicOperator.partial(task_id="each", model="stable-audio", poll_interval=1).expand(
        prompt=["a far bell", "a near drum"]
    )
