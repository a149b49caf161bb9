# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Which subjects are run beside each other, and what their figures say: one module a part of the table."""
