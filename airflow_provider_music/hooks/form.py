# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A connection's form for Airflow 2, from the metadata that Airflow 3 reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def behaviour(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a hook's ``get_ui_field_behaviour`` returns."""
    return {name.replace("-", "_"): value for name, value in metadata.items()}


def widgets(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a hook's ``get_connection_form_widgets`` returns.

    They need the web server's packages, which Airflow 3 does not have.
    """
    from flask_appbuilder.fieldwidgets import BS3TextAreaFieldWidget, BS3TextFieldWidget
    from wtforms import BooleanField, StringField, TextAreaField

    fields: dict[str, Any] = {}
    for name, spec in metadata.items():
        text = {"label": spec["label"], "description": spec["description"]}
        if spec["schema"]["type"][0] == "boolean":
            fields[name] = BooleanField(**text)
        elif spec["schema"].get("format") == "multiline":
            fields[name] = TextAreaField(**text, widget=BS3TextAreaFieldWidget())
        else:
            # Text for numbers too: an empty field then means the default, and the hook checks the range.
            fields[name] = StringField(**text, widget=BS3TextFieldWidget())
    return fields
