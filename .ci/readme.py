# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The README as the package index shows it: no link in it may lead nowhere.

Its links lead to files beside it, which an index does not have. They become absolute below ``Source`` of
``[project.urls]``; as long as no address is given there, their words stay and the links go.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE_LINK = re.compile(r"\[([^\]\n]+)\]\((?!https?://|#)([^)\s]+)\)")
WHERE = "\n\nThe pages that are named here are in `docs/` of the source archive.\n"


class ReadmeHook(MetadataHookInterface):
    """Called by hatchling for every build and every editable install."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put the readme into the project's metadata."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        source = metadata.get("urls", {}).get("Source")
        text = absolute(text, source) if source else RELATIVE_LINK.sub(r"\1", text).rstrip() + WHERE
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def absolute(text: str, source: str) -> str:
    """Lead every relative link to the file's page at the address of the source."""
    return RELATIVE_LINK.sub(rf"[\1]({source.rstrip('/')}/blob/HEAD/\2)", text)
