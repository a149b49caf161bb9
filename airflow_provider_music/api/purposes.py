# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a reference track can be uploaded for, and the ids that the API gives for it.

Source: docs.aimlapi.com, music-01, upload. For code that must not import pydantic, as DAG files are parsed often.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_music.api.naming import nearest

IDS_OF_PURPOSE = {
    "song": ("voice_id", "instrumental_id"),
    "voice": ("voice_id",),
    "instrumental": ("instrumental_id",),
}


def purpose_problem(purpose: Any) -> str | None:
    """Say what is wrong with a purpose; None where it is one."""
    if isinstance(purpose, str) and purpose in IDS_OF_PURPOSE:
        return None
    near = nearest(purpose, IDS_OF_PURPOSE)
    meant = f"did you mean {near}?" if near else "choose one of them."
    return f"purpose: {purpose!r:.60}, but one of {', '.join(IDS_OF_PURPOSE)} is taken; {meant}"
