# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of ``cost_of_a_song.py``: a half of a task as a process, and what counts its reads, requests and imports."""
