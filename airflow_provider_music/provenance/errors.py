# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a song's provenance. The song itself is in place whenever one of these is raised."""

from __future__ import annotations

from airflow_provider_music.exceptions import OutputError


class ProvenanceError(OutputError):
    """The provenance of a song cannot be kept. The song stays as it is, whole; a retry can help."""


class ManifestError(ProvenanceError):
    """A manifest cannot be read, or is none."""


class NotTaggableError(ProvenanceError):
    """The file cannot take tags without a change to what it holds already; it is left as it is."""
