# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Pages in Airflow on which songs are heard: one for a task's takes, and a library of all. Airflow 3.1 and later."""
