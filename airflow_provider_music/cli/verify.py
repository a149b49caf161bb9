# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``verify``: songs against their provenance manifests, as ``python -m airflow_provider_music.provenance`` does."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from airflow_provider_music.cli.output import Output


def run(args: argparse.Namespace, out: Output) -> int:
    """Print one line a song; returns its exit code."""
    from airflow_provider_music.provenance.__main__ import main

    with contextlib.redirect_stdout(out.stream):
        return main(["verify", *args.paths])
