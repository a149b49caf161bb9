# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What others are told of a song: Airflow's assets and hook lineage, OpenLineage, links, and its provenance.

Nothing here is needed to make a song, so nothing here but a song's provenance can fail a task.
"""
