# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""common-ai's LLMBatchOperator, one request a batch, against a batch API of its own: text, since it makes no songs."""

from __future__ import annotations

from typing import Any

import airflow_tasks
import openai.resources  # noqa: F401 - before the processes are forked
import told
from airflow.providers.common.ai.batch import openai as adapter  # noqa: F401 - the same
from airflow.providers.common.ai.operators import llm_batch
from airflow.providers.common.ai.operators.llm_batch import LLMBatchOperator

# Half a minute by default; a batch takes a second and a half here. The pace alone changes.
llm_batch._MIN_POLL_INTERVAL = 1


def batch(song: str, _results: list[Any]) -> LLMBatchOperator:
    """One batch of one request."""
    return LLMBatchOperator(
        task_id="batch",
        requests=[told.prompt(song)],
        result_path=f"file://{told.OUT}/{song}",
        llm_conn_id="money_llm",
        model_id="openai:gpt-5-mini",
        poll_interval=1,
        deferrable=True,
        retries=airflow_tasks.RETRIES,
    )


def _path_of(_song: str, results: list[Any]) -> str:
    return str(results[0]["result_uri"]).removeprefix("file://")


if __name__ == "__main__":
    airflow_tasks.main([batch], _path_of)
