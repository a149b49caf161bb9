# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What songs cost: the prices that the API quotes, what a task may spend, and its metrics."""
