# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""moto's S3 as a process of its own that notes every request: ``python -m one_song.s3_requests``.

``GET /_requests`` returns what came since the last time, as JSON.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

READY = "s3 ready on "
NOTED = "/_requests"
#: The kinds that cost a request; the first three are reads.
KINDS = ("LIST", "HEAD", "GET", "PUT", "POST", "DELETE")
READS = KINDS[:3]


def kind_of(method: str, path: str) -> str:
    """Return the kind of a request in path style: a GET of a bucket is a listing, whatever it lists."""
    is_object = bool(path.strip("/").partition("/")[2])
    return "LIST" if method == "GET" and not is_object else method


def name_of(path: str, query: str) -> str:
    """Return what a request is about, for people: the last two parts of its key or prefix, and a listing's kind."""
    key = path.strip("/").partition("/")[2]
    asked = parse_qs(query, keep_blank_values=True)
    if key:
        named = [name for name in ("uploads", "uploadId", "partNumber", "delete") if name in asked]
        return "/".join(key.split("/")[-2:]) + "".join(f" ?{name}" for name in named)
    prefix = (asked.get("prefix") or [""])[0].rstrip("/")
    what = "uploads in parts" if "uploads" in asked else "delete" if "delete" in asked else "objects"
    return f"{what} below {'/'.join(prefix.split('/')[-2:]) or '.'}"


class Noted:
    """A WSGI application that notes what goes to another one."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._requests: list[dict[str, Any]] = []

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        if path == NOTED:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self._taken()).encode()]

        def noting(status: str, *more: Any) -> Any:
            request = {"kind": kind_of(method, path), "name": name_of(path, query), "status": int(status[:3])}
            with self._lock:
                self._requests.append(request)
            return start_response(status, *more)

        return self._app(environ, noting)

    def _taken(self) -> list[dict[str, Any]]:
        with self._lock:
            taken, self._requests = self._requests, []
        return taken


def main() -> None:
    """Serve on a free port until killed."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    app = Noted(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    print(f"{READY}http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 - the line the parent reads
    server.serve_forever()


if __name__ == "__main__":
    main()
