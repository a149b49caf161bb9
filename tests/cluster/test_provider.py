# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A real Airflow knows the provider, shows its connection form, and presses the form's Test button."""

import html
import json
import re

import pytest
from harness.settings import IS_3

pytestmark = pytest.mark.cluster


def test_the_provider_is_listed_with_its_hook(cluster):
    told = cluster.cli_json("providers", "get", "airflow-provider-music")
    assert "airflow-provider-music" in json.dumps(told)
    hooks = cluster.cli_json("providers", "hooks")
    assert [hook["class"].rsplit(".", 1)[-1] for hook in hooks if hook["connection_type"] == "music"] == ["MusicHook"]


@pytest.mark.skipif(not IS_3, reason="2.11 builds the form from the hook's methods")
def test_the_form_comes_from_the_metadata(cluster):
    (form,) = [form for form in json.loads(cluster.api.connection_form()) if form["connection_type"] == "music"]
    assert form["standard_fields"]["password"]["title"] == "API key"
    assert form["standard_fields"]["url_schema"]["hidden"]
    assert form["extra_fields"]


@pytest.mark.skipif(IS_3, reason="3.x builds the form from the metadata")
def test_the_form_comes_from_the_hook(cluster):
    page = html.unescape(cluster.api.connection_form())
    fields = json.loads(re.search(r'<script id="field_behaviours"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    assert fields["music"]["relabeling"]["password"] == "API key"
    assert "extra__music__" in page


def test_the_test_button_says_the_balance(cluster, sandbox):
    good, message = cluster.api.test_connection({"conn_type": "music", "host": sandbox.url, "password": sandbox.key})
    assert good, message
    assert "USD" in message


def test_the_test_button_says_that_a_key_is_wrong_without_showing_it(cluster, sandbox):
    good, message = cluster.api.test_connection(
        {"conn_type": "music", "host": sandbox.url, "password": "sk-a-wrong-key"}
    )
    assert not good
    assert "401" in message
    assert "sk-a-wrong-key" not in message
