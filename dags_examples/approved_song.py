# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Two versions of a jingle, a person who listens, and an asset event for the one that is approved.

One task submits both, and no worker waits for them nor for the person: the approval is deferred until
somebody responds in the UI (Required Actions) or over the REST API. Its text leads to the page on which the first
version is heard, and names its sha256. Approved, those very bytes are copied to ``approved/`` and reported as an asset,
which starts what is scheduled on it; a file that has changed since is not published. Rejected, nothing is published,
and clearing ``versions`` makes two new ones.

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

    @task
    def choose(manifest_uri: str, *, ti: Any = None) -> dict[str, str]:
        """Return the first version: its file, the hash of its bytes, and the page on which it is heard."""
        import json

        from airflow_provider_music.compat import ObjectStoragePath
        from airflow_provider_music.plugin.listen_link import page_url

        lines = ObjectStoragePath(manifest_uri).read_text().splitlines()
        song = next(song for song in map(json.loads, lines) if song["status"] == "completed")
        return {
            "audio_uri": song["audio_uri"],
            "sha256": song["audio"]["sha256"],
            "model": song["model"],
            "record_uri": song["record_uri"],
            "folder": manifest_uri.rpartition("/")[0],
            "page": page_url(ti.dag_id, ti.run_id, "versions", song=song["index"]),
        }

    @task(outlets=[APPROVED])
    def publish(chosen: dict[str, str], *, outlet_events: Any = None) -> str:
        """Copy the approved bytes beside the manifest, and report them; no other bytes."""
        import hashlib

        from airflow_provider_music.compat import AirflowFailException, ObjectStoragePath

        source = ObjectStoragePath(chosen["audio_uri"])
        content = source.read_bytes()
        if (sha256 := hashlib.sha256(content).hexdigest()) != chosen["sha256"]:
            raise AirflowFailException(f"{source} is not what was approved: {sha256}, approved was {chosen['sha256']}.")
        target = ObjectStoragePath(chosen["folder"]) / "approved" / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        told = {name: chosen[name] for name in ("sha256", "model", "record_uri")}
        outlet_events[APPROVED].extra.update(audio_uri=str(target), **told)
        return str(target)

    chosen = choose(versions.output["manifest_uri"])
    published = publish(chosen)

    if ApprovalOperator is not None:
        approve = ApprovalOperator(
            task_id="approve",
            subject="Publish this jingle?",
            body=(
                "{% set chosen = ti.xcom_pull(task_ids='choose') %}[Listen to it]({{ chosen['page'] }}). The other "
                "version is in [the list]({{ chosen['page'].partition('?')[0] }}). Only what has the sha256 "
                "`{{ chosen['sha256'] }}` is published."
            ),
            execution_timeout=timedelta(days=7),
        )
        chosen >> approve >> published
