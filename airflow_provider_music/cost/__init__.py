# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What songs cost: what the API quotes, what a task may spend, and what its metrics say."""
