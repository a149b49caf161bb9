# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""OpenLineage's events as its file transport writes them, and what is wrong with them by the published schema."""

import json
import os
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attr
from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

#: Folder of the published specification (spec/ of its repository): without it events are held against the classes
#: that the client's package generates from it.
SPEC = os.environ.get("OPENLINEAGE_SPEC")
_BASE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
_OURS = files("airflow_provider_music.lineage") / "schema" / "music-1-0-0.json"
_PARTS = {"run": Run, "job": Job}


def read_events(path: Path) -> list[dict[str, Any]]:
    """Return all events so far."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()] if path.exists() else []


def events_of(path: Path, dag_id: str, ends: set[str], timeout: float = 60.0) -> list[dict[str, Any]]:
    """Return the events of a DAG's tasks, once each of `ends` has one that completes it."""
    deadline = time.monotonic() + timeout
    while True:
        found = [event for event in read_events(path) if event["job"]["name"].startswith(f"{dag_id}.")]
        done = {task_of(event) for event in found if event["eventType"] == "COMPLETE"}
        if ends <= done:
            return found
        assert time.monotonic() < deadline, f"only {done} completed"
        time.sleep(0.5)


def task_of(event: dict[str, Any]) -> str:
    """Name the task that an event is of."""
    return str(event["job"]["name"]).rpartition(".")[2]


def problems(event: dict[str, Any]) -> list[str]:
    """Say what is wrong with an event."""
    found = list(_by_client(event))
    for name, facet in _facets(event):
        found += [f"{name}.{key} is no URI" for key in ("_producer", "_schemaURL") if not _is_uri(facet.get(key))]
        if str(facet.get("_schemaURL")).startswith("urn:airflow-provider-music:"):
            found += _by_schema({"$ref": facet["_schemaURL"]}, facet)
    if SPEC:
        found += _by_schema({"$ref": f"{_BASE}#/$defs/RunEvent"}, event)
    return found


def _facets(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
        for kind in ("facets", "inputFacets", "outputFacets"):
            yield from (part.get(kind) or {}).items()


def _by_client(event: dict[str, Any]) -> Iterator[str]:
    """Build the event from the client's classes, which are made from the specification and check what they take."""
    try:
        RunEvent(
            eventType=RunState(event["eventType"]),
            eventTime=event["eventTime"],
            run=Run(**event["run"]),
            job=Job(**event["job"]),
            inputs=[InputDataset(**one) for one in event["inputs"]],
            outputs=[OutputDataset(**one) for one in event["outputs"]],
            producer=event["producer"],
        )
    except (TypeError, ValueError, KeyError, attr.exceptions.FrozenError) as exc:
        yield f"{type(exc).__name__}: {exc}"


def _by_schema(schema: dict[str, Any], value: Any) -> list[str]:
    validator = Draft202012Validator(schema, registry=_registry(), format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def _registry() -> Registry:
    base = json.loads((Path(SPEC) / "OpenLineage.json").read_text()) if SPEC else _base_of_facets()
    found = [base, json.loads(_OURS.read_text())]
    return Registry().with_resources([(one["$id"], Resource(one, DRAFT202012)) for one in found])


def _base_of_facets() -> dict[str, Any]:
    base = {"type": "object", "required": ["_producer", "_schemaURL"]}
    return {"$id": _BASE, "$defs": {"RunFacet": base, "DatasetFacet": base}}


def _is_uri(value: Any) -> bool:
    return isinstance(value, str) and bool(urlsplit(value).scheme)
