# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import httpx
import pytest
from httpx._utils import get_environment_proxies

from airflow_provider_music.api.proxies import environment_proxies

ENVIRONMENTS = [
    {},
    {"HTTPS_PROXY": "http://proxy:3128"},
    {"https_proxy": "http://proxy:3128", "HTTPS_PROXY": "http://other:1"},
    {"HTTP_PROXY": "proxy:3128", "ALL_PROXY": "socks5://socks:1080"},
    {"HTTPS_PROXY": "", "HTTP_PROXY": "http://me:pass@proxy:3128/"},
    {"FTP_PROXY": "http://proxy:1"},
]
EXCEPTIONS = [
    "",
    "*",
    "a.example.org, *",
    "example.org",
    ".example.org",
    "localhost,LOCALHOST",
    "127.0.0.1,::1,10.0.0.0/8,fd00::/8",
    "https://only.example.org,http://",
    " spaced.example.org ,,",
    "example.org:8443",
]


@pytest.mark.parametrize("no_proxy", EXCEPTIONS)
@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda given: "+".join(given) or "none")
def test_the_environment_is_read_as_httpx_reads_it(environment, no_proxy, monkeypatch):
    for name, value in {**environment, "NO_PROXY": no_proxy}.items():
        monkeypatch.setenv(name, value)
    found = environment_proxies()
    assert found == get_environment_proxies()
    assert list(found) == list(get_environment_proxies())


def test_what_is_found_is_what_httpx_takes_as_mounts(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "proxy:3128")
    monkeypatch.setenv(
        "NO_PROXY", "example.org,.example.net,localhost,127.0.0.1,::1,10.0.0.0/8,https://only.example.org"
    )
    mounts = {pattern: url and httpx.HTTPTransport(proxy=url) for pattern, url in environment_proxies().items()}
    httpx.Client(mounts=mounts, trust_env=False).close()
