# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The command line: ``python -m airflow_provider_music``, and ``airflow music`` from Airflow 3.2 on.

``definition.py`` says which commands there are and what each takes; a command's module is imported when it runs.
"""
