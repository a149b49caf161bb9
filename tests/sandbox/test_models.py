# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.api import models as catalogue
from airflow_provider_music.api.schema import Whole, number, text
from airflow_provider_music.sandbox.models import _SPECIAL, profile_of


class NewModel(catalogue.MusicRequest):
    id = "vendor/new-music"
    aliases = ("new-music",)
    usual_seconds = 30.0
    max_seconds = 20.0
    default_format = "wav"
    source = "made up"
    required = ("theme",)

    theme: str | None = text(1)
    song_length_ms: Whole | None = number(1000)


@pytest.fixture
def new_model(monkeypatch):
    """Add a queued model to the catalogue; the sandbox is not told."""
    known = catalogue.find
    monkeypatch.setattr(catalogue, "CATALOGUE", (*catalogue.CATALOGUE, NewModel))
    monkeypatch.setattr(catalogue, "find", lambda name: NewModel if name in {NewModel.id, "new-music"} else known(name))


@pytest.mark.parametrize(("asked_ms", "length_ms"), [(None, 2000), (3000, 3000), (60_000, 20_000)])
def test_a_new_queued_model_of_the_catalogue_needs_nothing_in_the_sandbox(new_model, api, asked_ms, length_ms):
    body = {"model": "new-music", "theme": "a calm song"} | ({"song_length_ms": asked_ms} if asked_ms else {})
    done = api.song(body)
    assert (done["status"], api.fetch(done["audio_file"]["url"]).content[:4]) == ("completed", b"RIFF")
    (made,) = api.sandbox.generations()
    assert (made["format"], made["duration_ms"], made["billed"]) == ("wav", length_ms, True)
    assert api.rows(model="new-music")["data"][0]["cost"]["usd"] == profile_of("new-music").usd > 0
    (row,) = api.http.get("/v1/models?id=new-music&include=pricing").json()["data"]
    assert (row["id"], row["pricing"]["units"][0]["price"]) == ("vendor/new-music", profile_of("new-music").usd)
    wrong = api.submit({"model": "vendor/new-music", "colour": 1})
    assert {each["path"] for each in wrong.json()["details"]} == {"theme", "colour"}


@pytest.mark.parametrize("known", catalogue.CATALOGUE, ids=lambda known: known.id)
def test_a_profile_takes_from_the_catalogue_what_it_does_not_set_itself(known):
    profile, special = profile_of(known.id), _SPECIAL.get(known.id, {})
    assert profile.name == known.id
    assert profile.default_format == special.get("default_format", known.default_format)
    assert profile.max_seconds == (special.get("max_seconds") or known.max_seconds or 240.0)


def test_special_values_are_for_models_of_the_catalogue():
    assert set(_SPECIAL) <= {known.id for known in catalogue.CATALOGUE}


def test_models_can_be_listed_picked_and_priced_without_a_key(api):
    everything = api.fetch(api.sandbox.url + "/v1/models").json()["data"]
    assert {"music-01", "minimax/music-2.6", "google/lyria2"} <= {row["id"] for row in everything}
    (row,) = api.fetch(api.sandbox.url + "/v1/models?id=lyria2&include=pricing").json()["data"]
    assert row["id"] == "google/lyria2"
    assert row["pricing"] == {
        "kind": "fixed",
        "currency": "USD",
        "units": [{"name": "generation", "measure": "output", "price": 0.06, "per": 1}],
    }


def test_what_is_quoted_can_be_changed_and_hidden_and_the_bill_stays(api):
    quoted = {"kind": "variable"}
    api.sandbox.settings(pricing={"minimax/music-2.6": quoted, "google/lyria2": None})
    rows = api.fetch(api.sandbox.url + "/v1/models?include=pricing").json()["data"]
    prices = {row["id"]: row.get("pricing", "hidden") for row in rows}
    assert prices["minimax/music-2.6"] == quoted
    assert prices["google/lyria2"] == "hidden"
    assert prices["stable-audio"]["kind"] == "fixed"
    api.song()
    assert api.http.get("/v2/billing").json()["current_balance"] == pytest.approx(99.805)
    with pytest.raises(ValueError, match="pricing"):
        api.sandbox.settings(pricing={"google/lyria2": 0.1})


def test_a_withdrawn_model_is_a_404_and_its_replacement_is_listed(api):
    feed = api.sandbox.url + "/v1/models/deprecations"
    before = api.fetch(feed)
    assert before.json()["data"] == []
    api.sandbox.withdraw("lyria2", replaced_by="google/lyria3")
    assert api.submit({"model": "google/lyria2", "prompt": "a calm song"}).status_code == 404
    assert api.submit({"model": "lyria2", "prompt": "a calm song"}).status_code == 404
    after = api.fetch(feed, **{"If-None-Match": before.headers["etag"]})
    (entry,) = after.json()["data"]
    assert (entry["id"], entry["status"], entry["replaced_by"]) == (
        "google/lyria2",
        "withdrawn",
        "google/lyria3",
    )
    assert entry["aliases"] == ["lyria2"]
    unchanged = api.fetch(feed, **{"If-None-Match": after.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
