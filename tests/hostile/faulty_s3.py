# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""S3 on loopback that can be made to fail: moto's server, and before it a proxy that knows S3's operations."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import socket
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

_KEYS = ("test-access-key", "test-secret-key")
_ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>'
#: status, code and words, as S3 says them
_ANSWERS: dict[str, tuple[int, bytes, bytes]] = {
    "slow-down": (503, b"SlowDown", b"Please reduce your request rate."),
    "unavailable": (503, b"ServiceUnavailable", b"Service is unable to handle request."),
    "broken": (500, b"InternalError", b"We encountered an internal error. Please try again."),
    "denied": (403, b"AccessDenied", b"Access Denied"),
    # An upload's end may fail after its good status line has gone out.
    "error-in-200": (200, b"InternalError", b"We encountered an internal error. Please try again."),
}


@dataclass
class Fault:
    """Fails so many calls of these operations, of objects whose key or copied key has ``key`` in it."""

    kind: str
    operations: frozenset[str]
    times: float = float("inf")
    skip: int = 0
    key: str = ""
    met: int = 0

    def takes(self, operation: str, path: str) -> bool:
        if operation not in self.operations or self.key not in path:
            return False
        self.met += 1
        return self.skip < self.met <= self.skip + self.times


@dataclass
class FaultyS3:
    """One bucket behind a proxy.

    :param backend: host and port of moto's server.
    """

    backend: tuple[str, int]
    bucket: str = field(default_factory=lambda: f"songs-{uuid.uuid4().hex[:8]}")
    calls: Counter[str] = field(default_factory=Counter)
    _faults: list[Fault] = field(default_factory=list)
    _gone: tuple[str, str | None] | None = None
    _lock: Any = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"s3": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.client.create_bucket(Bucket=self.bucket)
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault(self, kind: str, *operations: str, **more: Any) -> Fault:
        """Fail: a kind of answer, "cut" before the request does anything, or "cut-after" it did."""
        added = Fault(kind, frozenset(operations), **more)
        self._faults.append(added)
        return added

    def gone_from(self, kind: str, operation: str | None = None) -> None:
        """Fail every call from the first one of this operation on, or from now on."""
        self._gone = (kind, operation)

    def heal(self) -> None:
        self._faults.clear()
        self._gone = None

    def connection(self, **config: Any) -> str:
        """Return an Airflow connection through the proxy; ``config`` is botocore's."""
        extra = {"endpoint_url": f"http://127.0.0.1:{self._server.server_port}", "region_name": "us-east-1"}
        return json.dumps(
            {"conn_type": "aws", "login": _KEYS[0], "password": _KEYS[1], "extra": {**extra, "config_kwargs": config}}
        )

    @functools.cached_property
    def client(self) -> Any:
        """A client that goes past the proxy."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url="http://{}:{}".format(*self.backend),
            region_name="us-east-1",
            aws_access_key_id=_KEYS[0],
            aws_secret_access_key=_KEYS[1],
        )

    def objects(self) -> list[str]:
        """Keys of all objects."""
        return sorted(item["Key"] for item in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", []))

    def uploads(self) -> list[str]:
        """Keys of the uploads in parts that were begun and not ended."""
        return sorted(item["Key"] for item in self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []))

    def read(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def meets(self, operation: str, path: str) -> str | None:
        """Count a call, and return what befalls it."""
        with self._lock:
            self.calls[operation] += 1
            if self._gone is not None and self._gone[1] in (None, operation):
                self._gone = (self._gone[0], None)
                return self._gone[0]
            return next((fault.kind for fault in self._faults if fault.takes(operation, path)), None)


def operation_of(method: str, target: str, headers: Any) -> tuple[str, str]:
    """Return what a request asks of S3, in S3's own words, and the path of its object."""
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    if method == "POST":
        name = "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
        # The library deletes a moved part with a list of one.
        name = "DeleteObject" if "delete" in query else name
    elif method == "PUT":
        name = "UploadPart" if "partNumber" in query else "PutObject"
        name = "CopyObject" if headers.get("x-amz-copy-source") else name
    elif method == "DELETE":
        name = "AbortMultipartUpload" if "uploadId" in query else "DeleteObject"
    elif method == "HEAD":
        name = "HeadObject"
    else:
        listing = "ListMultipartUploads" if "uploads" in query else "ListObjects"
        name = listing if unquote(parts.path).strip("/").count("/") == 0 else "GetObject"
    return name, unquote(parts.path + (headers.get("x-amz-copy-source") or ""))


class _Handler(BaseHTTPRequestHandler):
    s3: FaultyS3
    protocol_version = "HTTP/1.1"
    # Head and body are two writes; the second one would wait for the first one's acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        pass

    def _any(self) -> None:
        body = self._body()
        kind = self.s3.meets(*operation_of(self.command, self.path, self.headers))
        if kind == "cut":
            self._cut()
        elif kind == "cut-after":
            self._forwarded(body)
            self._cut()
        elif kind is not None:
            status, code, words = _ANSWERS[kind]
            self._answer(status, {"Content-Type": "application/xml"}, _ERROR % (code, words))
        else:
            self._answer(*self._forwarded(body))

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815 - the names that the base class looks for

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _forwarded(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        backend = http.client.HTTPConnection(*self.s3.backend, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        if body or self.command in ("PUT", "POST"):
            headers["Content-Length"] = str(len(body))
        try:
            backend.request(self.command, self.path, body or None, headers)
            response = backend.getresponse()
            named = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
            if self.command == "HEAD" and response.getheader("content-length"):
                named["Content-Length"] = str(response.getheader("content-length"))
            return response.status, named, response.read()
        finally:
            backend.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


_HOP_BY_HOP = frozenset(("connection", "transfer-encoding", "content-length", "expect", "keep-alive", "server", "date"))
