# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The application below /music: pages for people, and what their scripts ask for. Read only; see :mod:`.access`."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Depends, FastAPI, HTTPException, Query, Request, status
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException as AnyHTTPException

from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.plugin import pages, words
from airflow_provider_music.plugin.access import ANY_USER, READER_OF_THE_DAG, ReadableDags, from_our_page
from airflow_provider_music.plugin.audio import name_of, respond
from airflow_provider_music.plugin.costs import costs
from airflow_provider_music.plugin.headers import HEADERS, SecureHeaders
from airflow_provider_music.plugin.library import Filters, read_page
from airflow_provider_music.plugin.songs import audio_of, song_of, take_numbered
from airflow_provider_music.plugin.task_facts import TaskKey, read_task
from airflow_provider_music.plugin.waveform import waveform_of
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from airflow_provider_music.plugin.songs import AudioFile

_HERE = Path(__file__).parent
_STATIC = {
    "listen.css": "text/css",
    "theme.js": "text/javascript",
    "song.js": "text/javascript",
    "library.js": "text/javascript",
}
_SONG = "/song/{dag_id}/{run_id}/{task_id}/{map_index}"


def app() -> FastAPI:
    """Make the application. Every route of it needs a session, and a song's the right to read its DAG."""
    made = FastAPI(dependencies=[ANY_USER], openapi_url=None, docs_url=None, redoc_url=None, title="Music")
    made.add_middleware(SecureHeaders)
    made.add_exception_handler(AnyHTTPException, _error)
    made.add_exception_handler(RequestValidationError, _no_such_address)
    made.add_exception_handler(MusicError, _store_error)
    made.add_exception_handler(OSError, _store_error)
    made.add_exception_handler(Exception, _fault)
    made.add_api_route("/", _library, response_class=HTMLResponse)
    made.add_api_route("/costs", _costs, response_class=HTMLResponse)
    made.add_api_route("/static/{name}", _static)
    of_song: Any = {"dependencies": list(READER_OF_THE_DAG)}
    made.add_api_route(_SONG, _song, response_class=HTMLResponse, **of_song)
    made.add_api_route(f"{_SONG}/state", _state, **of_song)
    made.add_api_route(f"{_SONG}/take/{{n}}/audio", _audio, **of_song)
    made.add_api_route(f"{_SONG}/take/{{n}}/waveform", _waveform, **of_song)
    made.add_api_route(
        f"{_SONG}/take/{{n}}/verify",
        _verify,
        methods=["POST"],
        dependencies=[*READER_OF_THE_DAG, Depends(from_our_page)],
    )
    return made


async def _library(request: Request, dags: ReadableDags, filters: Annotated[Filters, Query()]) -> Response:
    page = await in_thread(read_page, dags, filters)
    return _page(request, "library.html", page=page, filters=filters, dags=sorted(dags))


async def _costs(request: Request, dags: ReadableDags, filters: Annotated[Filters, Query()]) -> Response:
    found = await in_thread(costs, dags, filters)
    return _page(request, "costs.html", costs=found, filters=filters)


async def _static(name: str) -> Response:
    if name not in _STATIC:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    return FileResponse(
        _HERE / "static" / name, media_type=_STATIC[name], headers={"Cache-Control": "private, no-cache"}
    )


def _unmapped(value: Any) -> Any:
    """Airflow's tab leaves the name in place where a task is not mapped."""
    return -1 if value == "{MAP_INDEX}" else value


MapIndex = Annotated[int, BeforeValidator(_unmapped), InPath(ge=-1)]


def _key(dag_id: str, run_id: str, task_id: str, map_index: MapIndex) -> TaskKey:
    return TaskKey(dag_id, run_id, task_id, map_index)


Key = Annotated[TaskKey, Depends(_key)]
Index = Annotated[int | None, Query(alias="song", ge=0)]
Number = Annotated[int, InPath(ge=0)]


async def _song(request: Request, key: Key, index: Index = None) -> Response:
    view = await in_thread(pages.song_page, key, index, _base(request), datetime.now(UTC))
    if view is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such task instance")
    return _page(request, "batch.html" if isinstance(view, pages.BatchPage) else "song.html", view=view)


async def _state(key: Key, index: Index = None) -> Response:
    found = await in_thread(pages.state_of, key, index, datetime.now(UTC))
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such task instance")
    return JSONResponse(found, headers={"Cache-Control": "no-store"})


async def _audio(
    request: Request, key: Key, n: Number, index: Index = None, download: Annotated[int, Query(ge=0, le=1)] = 0
) -> Response:
    file = await in_thread(_file_of, key, index, n)
    parts = [key.dag_id, key.task_id, key.map_index if key.map_index >= 0 else None, index, f"take-{n}"]
    return await respond(file, request.headers, save_as=name_of(file, *parts) if download else None)


async def _waveform(key: Key, n: Number, index: Index = None) -> Response:
    found = await in_thread(lambda: waveform_of(_file_of(key, index, n)))
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "The quality of this song was not measured")
    return JSONResponse(found, headers={"Cache-Control": "private, no-cache"})


async def _verify(key: Key, n: Number, index: Index = None) -> Response:
    from airflow_provider_music.provenance import verify

    file = await in_thread(_file_of, key, index, n)
    verdict = await in_thread(verify, file.folder.url_of(file.name))
    found = {"ok": verdict.ok, "problems": [words.text(problem) for problem in verdict.problems]}
    notes = [words.text(note) for note in verdict.notes]
    return JSONResponse({**found, **({"notes": notes} if notes else {})})


def _file_of(key: TaskKey, index: int | None, n: int) -> AudioFile:
    task = read_task(key)
    take = take_numbered(song_of(task, index), n) if task is not None else None
    if take is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such take")
    try:
        return audio_of(take)
    except MusicError as exc:
        raise HTTPException(status.HTTP_404_NOT_FOUND, words.text(str(exc))) from exc


def _base(request: Request) -> str:
    """Return the path of these pages, whatever lies before Airflow."""
    return str(request.scope.get("root_path", "")).rstrip("/")


@functools.cache
def _templates() -> Environment:
    found = Environment(autoescape=True, loader=FileSystemLoader(_HERE / "templates"), undefined=StrictUndefined)
    found.filters.update(
        minutes=words.length,
        size=words.size,
        usd=words.usd,
        when=words.when,
        segment=lambda name: quote(name, safe=""),
        query=lambda values, **more: urlencode({**values, **more}),
    )
    return found


def _page(request: Request, name: str, code: int = status.HTTP_200_OK, **values: Any) -> HTMLResponse:
    content = _templates().get_template(name).render(base=_base(request), **values)
    return HTMLResponse(content, code, headers={"Cache-Control": "no-store"})


async def _error(request: Request, exc: Exception) -> Response:
    """Return an error as a page for people, as JSON for scripts; who has no session is led to Airflow's sign-in."""
    code, detail = (exc.status_code, exc.detail) if isinstance(exc, AnyHTTPException) else (500, "")
    headers = getattr(exc, "headers", None)
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": detail}, code, headers)
    airflow = _base(request).removesuffix("/music")
    if code == status.HTTP_401_UNAUTHORIZED and request.method == "GET":
        return _page(
            request,
            "error.html",
            code,
            title="Sign in",
            detail="This page needs a session of Airflow.",
            sign_in=f"{airflow}/api/v2/auth/login",
            back=str(request.url),
        )
    title = HTTPStatus(code).phrase
    return _page(request, "error.html", code, title=title, detail=str(detail), sign_in=None, back="")


async def _store_error(request: Request, exc: Exception) -> Response:
    return await _error(
        request, HTTPException(status.HTTP_502_BAD_GATEWAY, words.text(f"The store does not answer: {exc}"))
    )


async def _no_such_address(request: Request, exc: Exception) -> Response:  # noqa: ARG001 - it says what was given
    return await _error(request, HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "This is no address of a page"))


async def _fault(request: Request, exc: Exception) -> Response:  # noqa: ARG001 - the server logs it
    """Return what a fault of ours looks like; it is made outside of the middleware, so it brings its headers."""
    answer = await _error(request, HTTPException(status.HTTP_500_INTERNAL_SERVER_ERROR, "The API server's log has it"))
    answer.headers.update(HEADERS)
    return answer
