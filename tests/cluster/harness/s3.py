# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""S3 on loopback: moto's own server, as a process."""

import json
import os
import sys
import time
from pathlib import Path

import boto3
import httpx

from harness.processes import Session, free_ports, tail
from harness.rest import ClusterError

_KEYS = ("test-access-key", "test-secret-key")
_REGION = "us-east-1"


class S3Server:
    """One server with one bucket."""

    def __init__(self, log_dir: Path, bucket: str = "music", timeout: float = 60.0) -> None:
        """Start it, wait until it answers, and make the bucket."""
        self.bucket = bucket
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._processes = Session(dict(os.environ), log_dir)
        self._processes.start("s3", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)])
        deadline = time.monotonic() + timeout
        while not self._answers():
            if time.monotonic() > deadline:
                self.stop()
                raise ClusterError(f"S3 does not answer:\n{tail(log_dir / 's3.log')}")
            time.sleep(0.2)
        self._client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=_REGION,
            aws_access_key_id=_KEYS[0],
            aws_secret_access_key=_KEYS[1],
        )
        self._client.create_bucket(Bucket=bucket)

    def connection_json(self, *, as_amazon: bool = False) -> str:
        """Return an Airflow connection to it, as `AIRFLOW_CONN_...` takes it.

        `as_amazon` leaves its address out, as a connection to Amazon has none: `AWS_ENDPOINT_URL` has to say it.
        """
        extra = {"region_name": _REGION} | ({} if as_amazon else {"endpoint_url": self.url})
        return json.dumps({"conn_type": "aws", "login": _KEYS[0], "password": _KEYS[1], "extra": extra})

    def read(self, key: str) -> bytes | None:
        """Content of an object, or None where there is none."""
        try:
            return bytes(self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except self._client.exceptions.NoSuchKey:
            return None

    def keys(self, prefix: str) -> list[str]:
        """Names of the objects that begin so."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [str(found["Key"]) for page in pages for found in page.get("Contents", [])]

    def stop(self) -> None:
        """End it."""
        self._processes.stop()

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url, timeout=5, trust_env=False).status_code < httpx.codes.INTERNAL_SERVER_ERROR
        except httpx.TransportError:
            return False
