# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The life of a generation: submitted, polled, fetched; in a triggerer or on a worker. It knows no operator."""
