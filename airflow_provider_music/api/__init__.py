# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The API of the music models, as data: what each model takes, and a request that is ready to send."""
