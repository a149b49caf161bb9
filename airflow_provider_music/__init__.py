# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Apache Airflow provider for the music models of the AI/ML API.

Nothing is imported here: Airflow reads this package at every start and every DAG parse.
"""

__version__ = "0.1.0"
