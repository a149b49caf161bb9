# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The connection form's extra fields for Airflow 2, built from the same metadata that Airflow 3 reads."""

from __future__ import annotations

from typing import Any

from airflow_provider_music.get_provider_info import CONNECTION_FIELDS


def widgets() -> dict[str, Any]:
    """Form fields by name; needs the web server's packages, which Airflow 3 does not have."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from wtforms import BooleanField, StringField

    fields: dict[str, Any] = {}
    for name, spec in CONNECTION_FIELDS.items():
        text = {"label": spec["label"], "description": spec["description"]}
        if spec["schema"]["type"][0] == "boolean":  # type: ignore[index]
            fields[name] = BooleanField(**text)
        else:
            # Text for numbers too: an empty field then means the default, and the hook checks the range.
            fields[name] = StringField(**text, widget=BS3TextFieldWidget())
    return fields
