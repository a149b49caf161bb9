# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Two versions of a jingle, a person who listens, and an asset event for the one that is approved.

One task submits both, and no worker waits for them nor for the person: the approval is deferred until
somebody responds in the UI (Required Actions) or over the REST API. Approved, the first version in the manifest is
copied beside it to ``approved/`` and reported as an asset, which starts what is scheduled on it. Rejected, nothing is
published, and clearing ``versions`` makes two new ones.

Approvals need Airflow 3.1 or newer; on an older one the first version is published without asking anybody.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum

from airflow_provider_music.compat import DAG, AirflowOptionalProviderFeatureException, Asset, AssetAlias, task
from airflow_provider_music.operators.music import GenerateMusicBatchOperator

try:
    from airflow.providers.standard.operators.hitl import ApprovalOperator
except (ImportError, AirflowOptionalProviderFeatureException) as exc:  # Airflow before 3.1
    ApprovalOperator = None
    NOTE = f"No approvals here ({exc}); the first version is published as it is."
else:
    NOTE = None

APPROVED = Asset("x-music://songs/approved")
BRIEF = {
    "model": "minimax/music-2.6",
    "prompt": "A short, friendly jingle for a bakery, ukulele and handclaps",
    "lyrics": "[Verse]\nWarm bread at seven\n[Chorus]\nCome in, come in",
}

with DAG(
    dag_id="approved_song",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    tags=["music"],
    doc_md="\n\n".join(filter(None, [__doc__, NOTE])),
):
    versions = GenerateMusicBatchOperator(
        task_id="versions",
        requests=[BRIEF, {**BRIEF, "prompt": BRIEF["prompt"] + ", slower"}],
        provenance="tags",
        timeout=timedelta(minutes=30),
        outlets=[AssetAlias("jingle-versions")],
    )

    @task(outlets=[APPROVED])
    def publish(manifest_uri: str, *, outlet_events: Any = None) -> str:
        """Copy the first version beside the manifest, and report it."""
        import json

        from airflow_provider_music.compat import ObjectStoragePath

        manifest = ObjectStoragePath(manifest_uri)
        songs = [json.loads(line) for line in manifest.read_text().splitlines()]
        song = next(song for song in songs if song["status"] == "completed")
        target = manifest.parent / "approved" / f"song.{song['audio']['format']}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(ObjectStoragePath(song["audio_uri"]).read_bytes())
        outlet_events[APPROVED].extra.update(
            audio_uri=str(target), sha256=song["audio"]["sha256"], model=song["model"], record_uri=song["record_uri"]
        )
        return str(target)

    published = publish(versions.output["manifest_uri"])

    if ApprovalOperator is not None:
        approve = ApprovalOperator(
            task_id="approve",
            subject="Publish this jingle?",
            body="Both versions: {{ ti.xcom_pull(task_ids='versions', key='manifest_uri') }}",
            execution_timeout=timedelta(days=7),
        )
        versions >> approve >> published
