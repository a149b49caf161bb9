# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.api.ssrf import check_addresses, check_url, kind_of, literal, look_up
from airflow_provider_music.exceptions import AudioError, AudioHostError

PUBLIC = ["1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"]
INSIDE = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "::1": "loopback",
    "169.254.169.254": "link-local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "private",
    "100.127.255.255": "private",
    "fc00::1": "private",
    "fd00:ec2::254": "private",
    "fec0::1": "private",
    "64:ff9b:1::1": "private",
    "0.0.0.0": "unspecified",
    "::": "unspecified",
    "0.1.2.3": "reserved",
    "192.0.0.1": "reserved",
    "192.0.2.1": "reserved",
    "192.88.99.1": "reserved",
    "198.18.0.1": "reserved",
    "198.51.100.1": "reserved",
    "203.0.113.1": "reserved",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "ff02::1": "multicast",
    "2001::1": "reserved",  # Teredo
    "2001:db8::1": "reserved",
    "3fff::1": "reserved",
    "100::1": "reserved",
    "5f00::1": "reserved",
    "4000::1": "reserved",
    "::7f00:1": "reserved",  # the IPv4-compatible form of old
}
IPV4_INSIDE = {text: kind for text, kind in INSIDE.items() if "." in text}


@pytest.fixture
def names(monkeypatch):
    """The name service: addresses by host, and how often it was asked."""
    known = {}
    names = known, []

    def getaddrinfo(host, port, *args, **kwargs):
        names[1].append(host)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET6 if ":" in text else socket.AF_INET, 1, 6, "", (text, 0)) for text in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def addresses(*texts):
    return [ipaddress.ip_address(text) for text in texts]


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_of_no_kind(text):
    assert kind_of(ipaddress.ip_address(text)) is None


@pytest.mark.parametrize(("text", "kind"), INSIDE.items())
def test_an_address_that_is_not_public_says_of_which_kind_it_is(text, kind):
    assert kind_of(ipaddress.ip_address(text)) == kind


@pytest.mark.parametrize(("text", "kind"), IPV4_INSIDE.items())
@pytest.mark.parametrize("prefix", ["::ffff:", "64:ff9b::"])
def test_an_ipv6_address_that_stands_for_an_ipv4_one_is_what_that_is(prefix, text, kind):
    assert kind_of(ipaddress.ip_address(prefix + text)) == kind
    assert kind_of(ipaddress.ip_address(prefix + "1.1.1.1")) is None


@pytest.mark.parametrize(("text", "kind"), IPV4_INSIDE.items())
def test_a_6to4_address_is_what_its_gateway_is(text, kind):
    packed = b"\x20\x02" + ipaddress.IPv4Address(text).packed + bytes(10)
    assert kind_of(ipaddress.IPv6Address(packed)) == kind


@given(st.ip_addresses())
def test_nothing_that_python_knows_as_not_global_is_public(address):
    if kind_of(address) is None and (address.version == 4 or not address.sixtofour):
        assert not any(
            (
                address.is_private and address not in ipaddress.ip_network("64:ff9b::/96"),
                address.is_loopback,
                address.is_link_local,
                address.is_multicast,
                address.is_reserved and address.version == 4,
                address.is_unspecified,
            )
        )


LOOPBACK_SPELT = ["127.0.0.1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1."]


@pytest.mark.parametrize("host", LOOPBACK_SPELT)
def test_every_spelling_of_an_address_is_that_address(host):
    assert literal(host) == ipaddress.ip_address("127.0.0.1")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "a.localhost"])
def test_this_machines_names_are_an_address_without_a_look_up(host):
    assert kind_of(literal(host)) == "loopback"


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_may_have_brackets(host):
    assert literal(host) == ipaddress.ip_address("::1")


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org", "localhost.example.org", "", "cafe", "a" * 70]
)
def test_a_name_is_no_address(host):
    assert literal(host) is None


async def test_a_look_up_gives_each_address_once_in_order(names):
    names[0]["cdn.example.org"] = ["2606:4700::1111", "1.1.1.1", "1.1.1.1"]
    assert await look_up("cdn.example.org") == addresses("2606:4700::1111", "1.1.1.1")


@pytest.mark.parametrize("host", ["a" * 70 + ".example.org", "a..b", "\u20ac" * 70])
async def test_a_name_that_cannot_be_one_is_an_error_of_the_look_up(host):
    with pytest.raises(OSError, match=r"look|known|name"):
        await look_up(host)


# URLs


@pytest.mark.parametrize("url", ["https://cdn.example.org/a?b", "https://1.1.1.1/a", "https://[2606:4700::1111]/a"])
async def test_a_public_host_is_taken_and_its_name_not_looked_up_yet(url, settings_for, names):
    assert str(await check_url(settings_for(), url)) == url
    assert names[1] == []


@pytest.mark.parametrize("host", [*INSIDE, *LOOPBACK_SPELT, "localhost", "a.localhost", "::ffff:127.0.0.1"])
async def test_an_address_inside_is_refused_before_anything_is_sent(host, settings_for, names):
    names[0]["api.example.org"] = ["1.1.1.1"]
    written = f"[{host.replace('%', '%25')}]" if ":" in host else host
    with pytest.raises(AudioHostError, match=r"is refused|no usable URL") as caught:
        await check_url(settings_for(), f"https://{written}/song?Signature=hush")
    assert "hush" not in str(caught.value)
    assert "/song" not in str(caught.value)


async def test_the_refusal_says_what_to_do(settings_for, names):
    names[0]["api.example.org"] = ["1.1.1.1"]
    with pytest.raises(AudioHostError) as caught:
        await check_url(settings_for(), "https://169.254.169.254/latest/meta-data?Signature=hush")
    assert str(caught.value) == (
        "The song's host 169.254.169.254 is refused: 169.254.169.254 is a link-local address, and the API's own host "
        "has none of that kind. Songs come from public addresses; if this host is meant, let the worker reach it "
        "through a proxy (HTTPS_PROXY), or ask whoever runs the name service why it leads there."
    )


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8787", "https://localhost:1", "http://[::1]:1"])
async def test_plain_http_is_for_a_connection_to_this_machine(base_url, settings_for):
    assert (await check_url(settings_for(base_url), "http://127.0.0.1:2/a")).scheme == "http"


async def test_plain_http_is_for_a_connection_that_allows_it(settings_for):
    assert (await check_url(settings_for(allow_http=True), "http://cdn.example.org/a")).scheme == "http"
    with pytest.raises(AudioHostError, match=r'only https is fetched\. Set the extra "allow_http": true'):
        await check_url(settings_for(), "http://cdn.example.org/a")


@pytest.mark.parametrize("scheme", ["ftp", "file", "gopher", "data", "javascript", "s3", "HTTPSX", ""])
@pytest.mark.parametrize("allow_http", [True, False])
async def test_other_schemes_are_never_fetched(scheme, allow_http, settings_for):
    with pytest.raises(AudioHostError, match="The API named") as caught:
        await check_url(settings_for(allow_http=allow_http), f"{scheme}://cdn.example.org/a?Signature=hush")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://[::1/?hush", "https://a:99999/?hush", "https://a\n/?hush", "https://\u2460/?hush"]
)
async def test_what_is_no_url_is_not_quoted_not_even_as_a_cause(url, settings_for):
    with pytest.raises(AudioError, match="no usable URL") as caught:
        await check_url(settings_for(), url)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "hush" not in str(caught.value)


# The connection's own host


@pytest.mark.parametrize(
    ("own", "audio", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "::1", True),
        ("localhost", "127.0.0.5", True),
        ("127.0.0.1", "10.0.0.1", False),
        ("127.0.0.1", "169.254.169.254", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "192.168.7.7", True),
        ("10.0.0.1", "fd00::1", True),
        ("100.64.0.1", "10.0.0.1", True),
        ("10.0.0.1", "127.0.0.1", False),
        ("10.0.0.1", "169.254.169.254", False),
        ("10.0.0.1", "0.0.0.0", False),
        ("169.254.1.1", "169.254.1.1", True),
        ("1.1.1.1", "10.0.0.1", False),
        ("1.1.1.1", "127.0.0.1", False),
    ],
)
@pytest.mark.parametrize("named", [False, True])
async def test_a_host_inside_is_for_a_connection_whose_own_host_is_of_the_same_kind(
    own, audio, allowed, named, settings_for, names
):
    names[0].update({"api.internal": [own], own: [own]})
    settings = settings_for(f"http://{'api.internal' if named and own != 'localhost' else own}:8080", allow_http=True)
    if own == "localhost":
        names[0].clear()
    if allowed:
        await check_addresses(settings, "cdn.internal", addresses(audio))
        return
    with pytest.raises(AudioHostError, match=r"cdn\.internal is refused"):
        await check_addresses(settings, "cdn.internal", addresses(audio))


async def test_one_address_inside_among_public_ones_is_enough_to_refuse(settings_for, names):
    names[0]["api.example.org"] = ["1.1.1.1"]
    with pytest.raises(AudioHostError, match=r"10\.0\.0\.1 is a private address"):
        await check_addresses(settings_for(), "cdn.example.org", addresses("1.1.1.1", "10.0.0.1"))


async def test_an_own_host_that_cannot_be_looked_up_opens_nothing(settings_for, names):
    with pytest.raises(AudioHostError):
        await check_addresses(settings_for("https://api.internal"), "cdn.internal", addresses("10.0.0.1"))
    assert names[1] == ["api.internal"]


async def test_for_public_addresses_the_own_host_is_not_looked_up(settings_for, names):
    await check_addresses(settings_for(), "cdn.example.org", addresses(*PUBLIC))
    assert names[1] == []


# Named hosts


@pytest.mark.parametrize(
    ("pattern", "host", "taken"),
    [
        ("cdn.example.org", "cdn.example.org", True),
        ("cdn.example.org", "CDN.Example.ORG", True),
        ("cdn.example.org", "cdn.example.org.", True),
        ("cdn.example.org.", "cdn.example.org", True),
        ("cdn.example.org", "a.cdn.example.org", False),
        ("cdn.example.org", "cdn.example.org.evil.example", False),
        ("cdn.example.org", "evilcdn.example.org", False),
        (".example.org", "cdn.example.org", True),
        (".example.org", "a.b.example.org", True),
        (".example.org", "example.org", False),
        (".example.org", "evilexample.org", False),
        (".example.org", "example.org.evil.example", False),
        ("*.example.org", "cdn.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "evilexample.org", False),
        ("xn--bcher-kva.de", "b\u00fccher.de", True),
        ("1.1.1.1", "1.1.1.1", True),
        ("1.1.1.1", "0x01010101", True),
        ("1.1.1.1", "1.1.1.2", False),
        ("[2606:4700::1111]", "[2606:4700:0::1111]", True),
        ("2606:4700::1111", "[2606:4700::1111]", True),
    ],
)
async def test_only_named_hosts_are_fetched_from_where_hosts_are_named(pattern, host, taken, settings_for):
    settings = settings_for(audio_hosts=("other.example.net", pattern))
    url = f"https://{host}/a?Signature=hush"
    if taken:
        assert await check_url(settings, url)
        return
    with pytest.raises(AudioHostError, match="not among the connection's audio_hosts") as caught:
        await check_url(settings, url)
    assert f"(other.example.net, {pattern})" in str(caught.value)
    assert "hush" not in str(caught.value)


async def test_a_user_name_in_a_url_is_no_host(settings_for):
    with pytest.raises(AudioHostError, match=r"lies on evil\.example"):
        await check_url(settings_for(audio_hosts=("cdn.example.org",)), "https://cdn.example.org@evil.example/")


async def test_a_named_host_is_not_thereby_allowed_to_lie_inside(settings_for, names):
    names[0]["api.example.org"] = ["1.1.1.1"]
    settings = settings_for(audio_hosts=("10.0.0.1", "cdn.internal"))
    with pytest.raises(AudioHostError, match="is refused"):
        await check_url(settings, "https://10.0.0.1/a")
    with pytest.raises(AudioHostError, match="is refused"):
        await check_addresses(settings, "cdn.internal", addresses("10.0.0.1"))
