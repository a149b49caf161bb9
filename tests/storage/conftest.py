# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import settings

# A machine that is busy is not a bug: no example is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
