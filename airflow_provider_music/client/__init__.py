# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A client for notebooks, scripts and tasks of your own: ``Client(key).generate({"model": ..., "prompt": ...})``.

It needs no Airflow process and no metadata database. It keeps no record either: that one song is paid once across
retries, lost workers and lost responses is what the operators promise. Here ``generate`` submits exactly once; where
the response is lost, it says under which id the request may be billed, and submits nothing again.
"""

from airflow_provider_music.client.asynchronous import AsyncClient
from airflow_provider_music.client.blocking import Client
from airflow_provider_music.client.values import Model, Song, Submitted

__all__ = ["AsyncClient", "Client", "Model", "Song", "Submitted"]
