# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmarks on a real Airflow: `make bench-cluster`."""
