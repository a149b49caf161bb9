# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Hook-level lineage: what was read and written, for whatever collects it in the worker."""

from __future__ import annotations

from typing import Any

from airflow_provider_music.lineage.names import asset_uri


def tell_read(context: Any, url: str) -> None:
    """Say that a file was read; not again where ``ObjectStoragePath`` said so already."""
    collector = _collector()
    uri = asset_uri(url)
    if uri not in _uris(collector.collected_assets.inputs):
        collector.add_input_asset(context=context, uri=uri)


def tell_written(context: Any, url: str) -> None:
    """Say that a file was written; not again where somebody said so already."""
    collector = _collector()
    uri = asset_uri(url)
    if uri not in _uris(collector.collected_assets.outputs):
        collector.add_output_asset(context=context, uri=uri)


def _collector() -> Any:
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    return get_hook_lineage_collector()  # type: ignore[no-untyped-call]


def _uris(collected: Any) -> set[str]:
    # Airflow 2.11 keeps the asset as ``dataset`` where the compatibility layer has not renamed it.
    return {(getattr(one, "asset", None) and one.asset.uri) or one.dataset.uri for one in collected}
