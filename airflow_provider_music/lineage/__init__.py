# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a task reports of its songs: Airflow's asset events and hook lineage, links on its page, OpenLineage.

Nothing here is needed to make a song, so nothing here fails a task.
"""
