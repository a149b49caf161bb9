# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks in one process each, against a server on loopback in another: see bench.py beside this folder."""
