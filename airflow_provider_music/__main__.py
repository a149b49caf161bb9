# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_provider_music <command>``."""

from __future__ import annotations

import sys

from airflow_provider_music.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
