# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The record of every paid request: what was submitted, accepted, landed and delivered."""
