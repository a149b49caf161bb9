# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The music API on loopback: the whole contract, real songs, a bill per key, and faults on demand.

Nothing is imported until it is used: the server needs the extra ``sandbox``, importing this does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_music.sandbox.server import Sandbox, SpawnedSandbox

__all__ = ["Sandbox", "SpawnedSandbox"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from airflow_provider_music.sandbox import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
