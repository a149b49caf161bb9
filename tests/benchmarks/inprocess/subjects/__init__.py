# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What is measured; each function here runs in a fresh process (see child.py) and returns its figures."""
