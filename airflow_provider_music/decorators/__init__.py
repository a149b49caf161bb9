# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Task decorators of the music provider; Airflow has them as ``@task.music`` and ``@task.music_batch``."""
