# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What songs cost when processes die, with this package and with others: `make bench-money`."""
