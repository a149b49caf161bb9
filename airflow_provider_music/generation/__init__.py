# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""How a song is asked for and waited for, in the triggerer or inline on a worker."""
