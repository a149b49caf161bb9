# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps a song's provenance when its task delivers it: after the song is in place, before it is handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.store import SongIdentity, SongRecord, Take
    from airflow_provider_music.storage.folder import Folder

#: manifest: a file beside the song. embed: in the song's own tags too, which changes the file. none: nothing.
ProvenancePolicy = Literal["manifest", "embed", "none"]


def check_provenance(provenance: str) -> None:
    """Check an operator's argument.

    :raises ValueError: names the argument, its value and the fix.
    """
    if provenance not in get_args(ProvenancePolicy):
        raise ValueError(f"provenance: {provenance!r}; give 'manifest', 'embed' or 'none'.")


def keep(
    record: SongRecord, n: int, identity: SongIdentity, how: ProvenancePolicy, *, song_index: int | None = None
) -> dict[str, Any]:
    """Keep the provenance of take n and return what of its audio it changed; blocks, and may be called again.

    :raises OutputError: it cannot be kept; a retry does, and asks for nothing.
    """
    take = record.read(n) if how != "none" else None
    if take is None or "completed" not in take:
        return {}
    return keep_in(record.take_folder(n), take, identity, how, song_index=song_index)


def keep_in(
    folder: Folder, take: Take, identity: SongIdentity, how: ProvenancePolicy, *, song_index: int | None = None
) -> dict[str, Any]:
    """Keep the provenance of a take that lies in ``folder``; as :func:`keep`."""
    if how == "none":
        return {}
    from airflow_provider_music.exceptions import OutputError
    from airflow_provider_music.provenance import keep_provenance

    origin = {
        "dag_id": identity.dag_id,
        "run_id": identity.run_id,
        "task_id": identity.task_id,
        "map_index": identity.map_index,
        "song_index": song_index,
    }
    try:
        file = keep_provenance(folder, take, origin, embed=how == "embed").manifest["file"]
    except OutputError as exc:
        raise OutputError(
            f"{exc} The song is paid and in place; a retry keeps its provenance without asking for a song."
        ) from exc
    return {"sha256": file["sha256"], "size_bytes": file["size_bytes"]}


def as_it_stands(result: dict[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result whose audio is described as the file is now."""
    return {**result, "audio": {**result["audio"], **changed}} if changed else result
