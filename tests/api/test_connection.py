# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import pytest

from airflow_provider_music.api.connection import CONN_TYPE, EXTRAS, MusicSettings, is_loopback
from airflow_provider_music.compat import BaseHook
from airflow_provider_music.exceptions import CredentialsError
from airflow_provider_music.get_provider_info import CONNECTION_FIELDS

WHOLE = ["max_audio_bytes", "max_open_generations"]
NUMBERS = [
    "connect_timeout",
    "read_timeout",
    "generation_timeout",
    "max_body_seconds",
    "max_polls_per_second",
    *WHOLE,
]


def conn(**fields):
    extra = fields.pop("extra", None)
    extra = json.dumps(extra) if isinstance(extra, dict | list) else extra
    given = {"conn_type": "music", "password": "sk-1", "host": None, "schema": None, "port": None, "extra": extra}
    return SimpleNamespace(**{**given, **fields})


def read(**fields):
    return MusicSettings.from_connection(conn(**fields), "music_default")


def problems(**fields):
    with pytest.raises(CredentialsError) as caught:
        read(**fields)
    head, *lines = str(caught.value).splitlines()
    assert head == "Connection 'music_default' cannot be used; nothing was sent:"
    assert all(line.startswith(("  - its ", "  - it has no ")) for line in lines)
    return [line.removeprefix("  - ") for line in lines]


def test_a_key_is_all_that_a_connection_needs():
    settings = read()
    assert settings == MusicSettings("music_default", "https://api.aimlapi.com", "sk-1")
    assert (settings.connect_timeout, settings.read_timeout, settings.generation_timeout) == (10.0, 60.0, 900.0)
    assert (settings.verify, settings.max_audio_bytes, settings.is_loopback) == (True, 2**30, False)
    assert (settings.allow_http, settings.audio_hosts, settings.max_body_seconds) == (False, (), 1800.0)
    assert (settings.max_open_generations, settings.max_polls_per_second) == (256, 200.0)


@pytest.mark.parametrize("conn_type", ["aws", "http", "generic", "Music", "musical", "music ", "openai"])
def test_a_connection_of_another_type_is_refused_by_the_name_of_its_type(conn_type):
    (problem,) = problems(conn_type=conn_type, password="not our secret", host="not a url", extra="{")
    assert problem == (
        f"its type is {conn_type!r}, so its password is another service's: give the id of a connection of type "
        "'music', or set its type (conn_type) to that if the password is the API key"
    )


@pytest.mark.parametrize("conn_type", [None, ""])
def test_a_connection_without_a_type_is_refused_with_the_fix(conn_type):
    (problem,) = problems(conn_type=conn_type)
    assert problem == 'it has no type: write it with "conn_type": "music", or as a URI music://:KEY@'


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("aws://AKIA:a-secret@/?region_name=eu-central-1", "its type is 'aws'"),
        ('{"conn_type": "aws", "login": "AKIA", "password": "a-secret"}', "its type is 'aws'"),
        ('{"password": "a-secret"}', "it has no type"),
        ("//:a-secret@", "it has no type"),
    ],
)
def test_a_type_is_read_from_uri_and_json_alike_and_no_secret_is_told(given, told, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", given)
    with pytest.raises(CredentialsError, match=told) as caught:
        MusicSettings.from_connection(BaseHook.get_connection("music_default"), "music_default")
    assert "a-secret" not in str(caught.value)
    assert "AKIA" not in str(caught.value)


def test_the_type_is_the_one_that_the_hook_registers():
    from airflow_provider_music.hooks.music import MusicHook

    assert MusicHook.conn_type == CONN_TYPE


def test_the_form_shows_the_defaults_and_bounds_that_are_used():
    for name, spec in CONNECTION_FIELDS.items():
        schema = spec["schema"]
        if "minimum" not in schema:
            continue
        assert getattr(read(), name) == schema["default"]
        assert getattr(read(extra={name: schema["minimum"]}), name) == schema["minimum"]
        assert problems(extra={name: schema["minimum"] / 2})
        if "maximum" in schema:
            assert getattr(read(extra={name: schema["maximum"]}), name) == schema["maximum"]
            assert problems(extra={name: schema["maximum"] * 2})


@pytest.mark.parametrize(
    ("uri", "base_url"),
    [
        ("music://:sk-1@", "https://api.aimlapi.com"),
        ("music://:sk-1@/?read_timeout=60", "https://api.aimlapi.com"),
        ("music://:sk-1@api.example.org", "https://api.example.org"),
        ("music://:sk-1@api.example.org:8443", "https://api.example.org:8443"),
        ("music://:sk-1@127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("music://:sk-1@localhost:8080", "http://localhost:8080"),
        ("music://:sk-1@[::1]:8080", "http://[::1]:8080"),
        ("music://:sk-1@127.0.0.1:8443/https", "https://127.0.0.1:8443"),
        ("music://:sk-1@api.example.org/http?allow_http=true", "http://api.example.org"),
        ("music://:sk-1@https%3A%2F%2Fapi.example.org%2Fmusic", "https://api.example.org/music"),
    ],
)
def test_a_connection_may_be_a_uri(uri, base_url, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", uri)
    settings = MusicSettings.from_connection(BaseHook.get_connection("music_default"), "music_default")
    assert settings == MusicSettings("music_default", base_url, "sk-1", allow_http="allow_http" in uri)


@pytest.mark.parametrize("wrap", [lambda extra: extra, json.dumps])
def test_a_connection_may_be_json(wrap, monkeypatch):
    given = {
        "conn_type": "music",
        "password": "sk-1",
        "host": "http://127.0.0.1:9/",
        "extra": wrap({"read_timeout": 5, "verify": False, "max_audio_bytes": "1000"}),
    }
    monkeypatch.setenv("AIRFLOW_CONN_MY_MUSIC", json.dumps(given))
    settings = MusicSettings.from_connection(BaseHook.get_connection("my_music"), "my_music")
    expected = MusicSettings("my_music", "http://127.0.0.1:9", "sk-1", read_timeout=5.0, verify=False)
    assert settings == dataclasses.replace(expected, max_audio_bytes=1000)
    assert isinstance(settings.max_audio_bytes, int)
    assert settings.is_loopback


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("https://api.example.org/", "https://api.example.org"),
        ("https://API.example.org", "https://api.example.org"),
        ("https://api.example.org/v1", "https://api.example.org"),
        ("https://api.example.org/v2/", "https://api.example.org"),
        ("https://proxy.example.org/aiml/v1", "https://proxy.example.org/aiml"),
        ("https://[2001:db8::1]:444", "https://[2001:db8::1]:444"),
        (" api.example.org ", "https://api.example.org"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("::1", "http://[::1]"),
        ("2001:db8::1", "https://[2001:db8::1]"),
        ("LOCALHOST:8080", "http://localhost:8080"),
        ("music_sandbox:8080", "https://music_sandbox:8080"),
        ("http://sandbox.localhost:8080", "http://sandbox.localhost:8080"),
    ],
)
def test_the_host_field_takes_a_base_url_or_a_bare_host(host, base_url):
    assert read(host=host).base_url == base_url


def test_a_port_of_its_own_is_taken_and_another_one_in_the_url_is_named_not_ignored():
    assert read(host="api.example.org", port=8443).base_url == "https://api.example.org:8443"
    assert read(host="https://api.example.org:8443", port=8443).base_url == "https://api.example.org:8443"
    with pytest.raises(CredentialsError, match="its host names port 1, and its port field 8443: give one of them"):
        read(host="https://api.example.org:1", port=8443)


@pytest.mark.parametrize("key", ['"sk-1"', "'sk-1'", "<YOUR_API_KEY>", "{{ var.value.key }}", "Bearer sk-1"])
def test_a_key_with_its_quotes_and_a_placeholder_are_named_and_not_shown(key):
    with pytest.raises(CredentialsError, match="characters no key has: copy it again, bare") as caught:
        read(password=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "ftp://api.example.org",
        "https://",
        "https://:443",
        "https:/a",
        "https:a/b",
        "https://a:",
        "https://api.example.org:99999",
        "https://api.example.org:port",
        "https://api.example.org/?a=b",
        "https://api.example.org/#a",
        "https://api example.org",
        "https://api\n.example.org",
        "https://[::1",
        "https://a%2Fb",
        "api.example.org:x",
        "https://user:secret@api.example.org",
        "https://:secret@api.example.org",
        "https://secret@api.example.org",
    ],
)
def test_a_base_url_that_cannot_be_used_is_named_without_its_secrets(host):
    (problem,) = problems(host=host)
    assert "base URL (host)" in problem
    assert "no http(s)://host[:port]" in problem
    assert "secret" not in problem


def test_the_key_goes_unencrypted_only_where_that_is_allowed():
    (problem,) = problems(host="http://api.example.org")
    assert "would send the key unencrypted" in problem
    assert '"allow_http": true' in problem
    assert read(host="http://api.example.org", extra={"allow_http": True}).base_url == "http://api.example.org"
    assert read(host="http://api.example.org", extra={"allow_http": "yes"}).base_url == "http://api.example.org"
    assert problems(host="http://api.example.org", extra={"allow_http": "no"})
    assert read(host="http://127.0.0.1:1").base_url == "http://127.0.0.1:1"


@pytest.mark.parametrize("key", ["", None, "  ", "\n"])
def test_a_connection_without_a_key_says_where_to_put_it(key):
    assert problems(password=key) == ["it has no API key: put it into the password field"]


@pytest.mark.parametrize("key", ["sk 1", "sk-\u00e4", "sk\t1", "sk\n1", "sk\x001", "sk\x7f", "Bearer sk-1"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key):
    (problem,) = problems(password=key)
    assert "copy it again" in problem
    assert key not in problem


def test_white_space_around_a_key_is_a_slip_of_the_copying_hand():
    assert read(password=" sk-1\n").api_key == "sk-1"


@pytest.mark.parametrize("extra", ["no json", "[1]", '"text"', "1", "{", "null", "[" * 100_000])
def test_an_extra_that_is_no_json_object_is_said_and_not_taken_for_no_extras(extra):
    assert problems(extra=extra) == ['its extra is no JSON object: write it as {"read_timeout": 60}']


@pytest.mark.parametrize("extra", [None, "", " ", "{}"])
def test_no_extra_is_no_problem(extra):
    assert read(extra=extra) == read()


@pytest.mark.parametrize("value", [0, -1, "soon", [], {}, True, False, "nan", "inf", "-inf", 1e300, 10**400])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_out_of_its_bounds_is_named_with_them(name, value):
    (problem,) = problems(extra={name: value})
    assert f"its extra {name} is {value!r:.60}" in problem
    assert f"give a {'whole ' if name in WHOLE else ''}number from " in problem
    assert len(problem) < 200


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [2.5, "2.5"])
def test_what_is_counted_is_no_fraction(name, value):
    (problem,) = problems(extra={name: value})
    assert "give a whole number from 1 to " in problem
    assert getattr(read(extra={name: "2"}), name) == 2
    assert isinstance(getattr(read(extra={name: 3.0}), name), int)


@pytest.mark.parametrize("name", [*CONNECTION_FIELDS])
@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_field_of_the_form_means_the_default(name, value):
    assert read(extra={name: value}) == read()


@pytest.mark.parametrize(
    ("value", "verify"),
    [(True, True), ("true", True), ("1", True), ("On", True), (False, False), ("false", False), ("no", False)],
)
def test_verify_is_yes_or_no(value, verify):
    assert read(extra={"verify": value}).verify is verify


def test_verify_may_be_the_path_of_a_ca_bundle(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    assert read(extra={"verify": str(bundle)}).verify == str(bundle)


@pytest.mark.parametrize("value", ["/no/such/file.pem", "maybe", 7, ["true"], "a\0b"])
def test_a_ca_bundle_that_is_not_there_is_said(value):
    (problem,) = problems(extra={"verify": value})
    assert "give true, false, or the path of a CA bundle that exists" in problem


@pytest.mark.parametrize(("value", "allowed"), [(True, True), ("yes", True), (False, False), ("0", False)])
def test_allow_http_is_kept_for_the_songs_too(value, allowed):
    assert read(extra={"allow_http": value}).allow_http is allowed


def test_allow_http_is_yes_or_no():
    expected = ["its extra allow_http is 'perhaps': give true or false"]
    assert problems(extra={"allow_http": "perhaps"}) == expected
    assert problems(host="https://api.example.org", extra={"allow_http": "perhaps"}) == expected


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ("cdn.example.org", ("cdn.example.org",)),
        (" CDN.example.org , .example.net,", ("cdn.example.org", ".example.net")),
        (["cdn.example.org", "*.example.net"], ("cdn.example.org", "*.example.net")),
        ("music_sandbox,localhost", ("music_sandbox", "localhost")),
        ("10.0.0.5, ::1, [2001:db8::1]", ("10.0.0.5", "::1", "[2001:db8::1]")),
        ("xn--bcher-kva.de.", ("xn--bcher-kva.de.",)),
        ([], ()),
        ([""], ()),
        (" , ", ()),
    ],
)
def test_the_hosts_of_songs_are_a_list_or_text_with_commas(given, hosts):
    assert read(extra={"audio_hosts": given}).audio_hosts == hosts


@pytest.mark.parametrize(
    "given",
    [
        "https://cdn.example.org",
        "cdn.example.org/songs",
        "cdn.example.org:443",
        "user@cdn.example.org",
        "cdn example.org",
        "a..b",
        "*",
        ".",
        "*.",
        "a.*.b",
        "**.b",
        "b\u00fccher.de",
        "cdn.example.org\n.evil.example",
        ["cdn.example.org", 5],
        ["a,b"],
        [None],
        5,
        True,
        {"cdn.example.org": True},
    ],
)
def test_what_is_no_host_of_songs_is_said(given):
    (problem,) = problems(extra={"audio_hosts": given})
    assert problem.startswith("its extra audio_hosts is ")
    assert "give host names without scheme, port or path" in problem


def test_a_long_list_of_hosts_is_quickly_refused():
    assert problems(extra={"audio_hosts": "a." * 50_000 + "!"})


def test_all_problems_come_in_one_message():
    found = problems(
        password="",
        host="ftp://a",
        extra={"connect_timeout": 0, "read_timeout": "x", "max_audio_bytes": -1, "verify": "nowhere"},
    )
    assert len(found) == 6


def test_the_key_is_in_no_repr():
    settings = read(password="sk-secret")
    assert "sk-secret" not in repr(settings)
    assert "sk-secret" not in f"{settings}"
    assert settings.api_key == "sk-secret"


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_known_by_its_spelling(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.example.org", "10.0.0.1", "0.0.0.0", "notlocalhost", "::2", "127.0.0"])
def test_other_machines_are_not_this_one(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("readtimeout", "did you mean read_timeout?"),
        ("read-timeout", "did you mean read_timeout?"),
        ("Read_Timeout", "did you mean read_timeout?"),
        ("extra__music__read_timeout", "did you mean read_timeout?"),
        ("timeout", "did you mean read_timeout?"),
        ("audio_host", "did you mean audio_hosts?"),
        ("audiohosts", "did you mean audio_hosts?"),
        ("allowed_hosts", "did you mean audio_hosts?"),
        ("ssl_verify", "did you mean verify?"),
        ("allow-http", "did you mean allow_http?"),
        ("max_bytes", "did you mean max_audio_bytes?"),
        ("api_key", "it belongs into the password field"),
        ("base_url", "it belongs into the host field"),
        ("team", "leave it out; there are connect_timeout, read_timeout"),
        ("", "leave it out"),
    ],
)
def test_an_extra_that_would_be_ignored_is_named_with_the_nearest_right_name(name, told):
    (problem,) = problems(extra={name: "sk-secret"})
    assert problem.startswith(f"its extra {name!r} is none: {told}")
    assert "sk-secret" not in problem


def test_every_extra_of_the_form_is_known_and_a_note_is_let_be():
    assert set(EXTRAS) == set(CONNECTION_FIELDS)
    assert read(extra={"_note": "of the music team"}) == read()


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("music://:sk-1@api.example.org/aiml", "music://:KEY@https%3A%2F%2Fapi.example.org%2Faiml"),
        ("music://:sk-1@api.example.org/v2/generate/audio", "its schema is 'v2/generate/audio'"),
        ("music://:sk-1@/aiml", "music://:KEY@https%3A%2F%2Fapi.aimlapi.com%2Faiml"),
    ],
)
def test_a_path_in_a_uri_is_named_with_the_place_where_it_would_count(uri, told, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", uri)
    with pytest.raises(CredentialsError) as caught:
        MusicSettings.from_connection(BaseHook.get_connection("music_default"), "music_default")
    assert told in str(caught.value)
    assert "sk-1" not in str(caught.value)


def test_a_version_behind_the_host_is_dropped_in_a_uri_too(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", "music://:sk-1@api.example.org/v1")
    settings = MusicSettings.from_connection(BaseHook.get_connection("music_default"), "music_default")
    assert settings.base_url == "https://api.example.org"


@pytest.mark.parametrize(
    ("host", "right"),
    [
        ("https://api.aimlapi.com/v2/generate/audio", "https://api.aimlapi.com"),
        ("https://api.aimlapi.com/v2/generate/audio/", "https://api.aimlapi.com"),
        ("https://api.aimlapi.com/v2/generate/audio/minimax/generate", "https://api.aimlapi.com"),
        ("api.aimlapi.com/v1/chat/completions", "https://api.aimlapi.com"),
        ("https://api.aimlapi.com/v1/models", "https://api.aimlapi.com"),
        ("https://proxy.example.org/aiml/v2/generate/audio", "https://proxy.example.org/aiml"),
        ("https://docs.aimlapi.com", "https://api.aimlapi.com"),
        ("https://aimlapi.com/app", "https://api.aimlapi.com"),
    ],
)
def test_a_full_endpoint_as_the_host_is_named_with_the_base_url(host, right):
    (problem,) = problems(host=host)
    assert problem.startswith("its base URL (host) ")
    assert problem.endswith(f": give {right}")


@pytest.mark.parametrize("host", ["https://gw.example.org/v1/account/aiml", "https://proxy.example.org/audio"])
def test_a_gateways_path_is_a_base_url(host):
    assert read(host=host).base_url == host


def test_a_key_in_the_login_is_said():
    (problem,) = problems(password=None, login="sk-secret")
    assert problem.endswith("what stands in the login field is not used (in a URI: music://:KEY@)")
    assert "sk-secret" not in problem
