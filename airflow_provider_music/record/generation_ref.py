# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A generation that another task submitted: what a sensor's ``generation`` argument names, and what its record says.

Reads leniently, unlike :mod:`.store`: nothing is decided or paid by what is found here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import bounded_json
from airflow_provider_music.api.templated import parse_templated

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOO_LONG_FOR_AN_ID = 10**512


def read_generation(value: Any) -> dict[str, Any]:
    """Read what names a generation: an operator's result, the same rendered as text by a template, or an id.

    Returns that result, as far as it is there; an empty dict where nothing is named. An id of digits is taken as text:
    native rendering makes a number of it.
    """
    if isinstance(value, str):
        text = value.strip()
        value = parse_templated(text) if text.startswith("{") else text
        if isinstance(value, str):
            return {"generation_id": value if value != "None" else None}
    if not isinstance(value, dict):
        value = {"generation_id": value} if id_of_digits(value) is not None else {}
    digits = id_of_digits(value.get("generation_id"))
    return {**value, "generation_id": digits} if digits is not None else dict(value)


def id_of_digits(value: Any) -> str | None:
    """Return the id that a whole number stands for; None where it is no such number."""
    # Beyond this bound no id is usable, and Python refuses to write a number of 4,300 digits.
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if whole and 0 <= value < _TOO_LONG_FOR_AN_ID else None


def facts_of_generation(generation: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return intent and accepted fact of the task that submitted it, where its result leads to them; blocks.

    :param generation: from :func:`read_generation`.
    :raises OSError: the store cannot be read.
    """
    folder, _ = split_record_uri(generation.get("record_uri"))
    found = {name: read_fact(folder, f"{name}.json") for name in ("intent", "accepted")}
    return {name: fact for name, fact in found.items() if fact} if found["intent"] else {}


def split_record_uri(record_uri: Any) -> tuple[str | None, str]:
    """Split a result's ``record_uri`` into the URL of the take's folder and the fact's file name."""
    folder, _, name = str(record_uri or "").rpartition("/")
    return folder or None, name


def read_fact(folder: str | None, name: str) -> dict[str, Any]:
    """Read one file of a take's folder; empty where there is none, or no JSON object in it.

    :raises OSError: the store cannot be read.
    """
    if folder is None or not name.endswith(".json"):
        return {}
    from airflow_provider_music.storage.folder import Folder

    content = Folder(folder).read(name)
    try:
        found = bounded_json(content or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
