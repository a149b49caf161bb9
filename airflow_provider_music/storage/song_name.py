# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the files of a take are called: as its intent has it, whatever its task says now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Of the files of a song whose task names none.
DEFAULT_NAME = "song"
_NOT_IN_A_NAME = re.compile(r"[/\\\x00-\x1f]")
_MAX_NAME_BYTES = 200


def recorded_name(intent: Mapping[str, Any]) -> str:
    """Return the name that an intent has, without an ending; the default where it has none that can be one."""
    name = intent.get("name")
    usable = isinstance(name, str) and not name.startswith(".") and not _NOT_IN_A_NAME.search(name)
    return str(name) if usable and 0 < len(str(name).encode(errors="replace")) <= _MAX_NAME_BYTES else DEFAULT_NAME
