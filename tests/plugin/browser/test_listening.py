# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A person at a browser, on a real Airflow: hears a song, compares takes, waits for one; and others who may not."""

from __future__ import annotations

import json
import os
import re
import time
import wave
from pathlib import Path

import pytest
from harness.settings import AIRFLOW_VERSION, IS_3
from harness.watch import Watch
from listening_stage import client_of, token_of

from airflow_provider_music.plugin.listen_link import page_path

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not IS_3, reason="Airflow has such pages since 3.1"),
]
LONG_S = 400
SILENCES, CLIPPING = [[0, 40], [390, 400]], [[200, 201]]
#: Where pictures for the documentation go; none are taken without it.
PICTURES = os.environ.get("MUSIC_PICTURES")
PHONE = {"width": 390, "height": 844}


def page_of(run, task_id="song"):
    """Path of Airflow's own page of the task."""
    return f"/dags/{run.dag_id}/runs/{run.run_id.replace('+', '%2B')}/tasks/{task_id}"


def picture(page, name):
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def until(page, expression, timeout=30.0):
    """Wait until an expression is true in the page; asked from here, as the page may evaluate nothing."""
    deadline = time.monotonic() + timeout
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(100)


def path_of(run, task_id, map_index=-1):
    return page_path("", run.dag_id, run.run_id, task_id, map_index)


@pytest.fixture(scope="module")
def song(airflow):
    """A task with two takes, each as long as no browser loads ahead."""
    run = airflow.finish(airflow.run("heard"))
    airflow.api.clear(run.dag_id, run.run_id, "song")
    airflow.finish(Watch(airflow.api, run.dag_id, run.run_id))
    files = sorted(airflow.home.glob("songs/heard/*/*/song/take-*/song.wav"))
    assert len(files) == 2
    for path in files:
        with wave.open(str(path), "wb") as audio:
            audio.setparams((2, 2, 44100, 0, "NONE", ""))
            audio.writeframes(bytes(LONG_S * 44100 * 4))
        peaks = [value for n in range(700) for value in (-(n % 100) / 100, (n % 70) / 70)]
        waveform = {"duration_ms": LONG_S * 1000, "peaks": peaks, "silences": SILENCES, "clipping": CLIPPING}
        path.with_name("song.wav.peaks.json").write_text(json.dumps(waveform))
        path.with_name("quality.json").write_text(json.dumps({"loudness_lufs": -14.2, "clipped_samples": 12}))
    return run


@pytest.fixture(scope="module")
def of_a_class(airflow):
    """Tasks of a class that inherits, of a decorator, and one that makes no song."""
    return airflow.finish(airflow.run("heard_of_a_class"))


@pytest.fixture
def session(airflow, chromium):
    """Make a browser's context in which a user is signed in."""
    made = []

    def sign_in(user, **options):
        context = chromium.new_context(**options)
        made.append(context)
        if user is not None:
            cookie = {"name": "_token", "value": token_of(airflow, user), "url": airflow.url, "httpOnly": True}
            context.add_cookies([cookie])
        return context.new_page()

    yield sign_in
    for context in made:
        context.close()


@pytest.fixture
def page(session):
    return session("listener", viewport={"width": 1000, "height": 720})


def test_play_moves_the_time_and_a_seek_asks_for_a_range(page, airflow, song):
    responses = []
    page.on("response", lambda response: responses.append(response) if "/audio" in response.url else None)
    page.goto(airflow.url + path_of(song, "song"))
    player = page.locator("audio[data-take='2']")
    player.evaluate("audio => audio.play()")
    until(page, "document.querySelector('audio[data-take=\"2\"]').currentTime > 0.5")
    picture(page, "listen-song")

    player.evaluate("audio => { audio.currentTime = 350 }")
    until(page, "document.querySelector('audio[data-take=\"2\"]').currentTime > 350.5")
    asked = [re.fullmatch(r"bytes=(\d+)-\d*", response.request.headers.get("range", "")) for response in responses]
    far = [int(match[1]) for match in asked if match and int(match[1]) > 0]
    assert max(far) > 300 * 44100 * 4
    assert {response.status for response in responses} == {206}
    # The server's own word for it.
    assert re.search(r"/take/2/audio.* 206|206 .*audio|status_code=206", airflow.log_path.read_text())


def test_a_click_on_the_waveform_goes_to_that_place(page, airflow, song):
    page.goto(airflow.url + path_of(song, "song"))
    until(page, "!document.querySelector('canvas[data-take=\"2\"]').hidden")
    until(page, "document.querySelector('audio[data-take=\"2\"]').readyState >= 1")
    canvas = page.locator("canvas[data-take='2']")
    pixels = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data"
    assert canvas.evaluate(f"canvas => ({pixels})(canvas).some(value => value > 0)")

    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 2})

    until(page, "document.querySelector('audio[data-take=\"2\"]').currentTime > 0")
    place = page.locator("audio[data-take='2']").evaluate("audio => audio.currentTime")
    assert abs(place - LONG_S / 2) < 0.02 * LONG_S


def test_marks_are_drawn_on_the_waveform_and_told_beside_it(page, airflow, song):
    page.goto(airflow.url + path_of(song, "song"))
    until(page, "!document.querySelector('canvas[data-take=\"2\"]').hidden")
    canvas = page.locator("canvas[data-take='2']")
    pixel = (
        "(canvas, at) => [...canvas.getContext('2d').getImageData("
        "Math.floor(at[0] * canvas.width), Math.floor(at[1] * (canvas.height - 1)), 1, 1).data]"
    )
    silent, clipped, plain = (canvas.evaluate(pixel, at) for at in ([0.02, 0], [0.5013, 0], [0.25, 0]))
    assert silent[3] > 0
    assert clipped[3] == 255
    assert plain[3] == 0
    assert silent[:3] != clipped[:3]

    marks = canvas.locator("xpath=..").locator("ul.marks")
    assert marks.get_attribute("aria-label") == "Marks on the waveform"
    assert marks.locator("li").all_inner_texts() == [
        "Silence from 0:00.0 to 0:40.0 (40.0 s)",
        "Clipping from 3:20.0 to 3:21.0 (1.0 s)",
        "Silence from 6:30.0 to 6:40.0 (10.0 s)",
    ]
    figures = canvas.locator("xpath=..").locator("dl.figures")
    assert figures.inner_text().split("\n") == ["Loudness", "-14.2 LUFS", "Clipping", "12 samples at full scale"]
    picture(page, "listen-marks")


def test_a_and_b_go_on_at_the_same_place(page, airflow, song):
    page.goto(airflow.url + path_of(song, "song"))
    first, second = page.locator("audio[data-take='2']"), page.locator("audio[data-take='1']")
    first.evaluate("audio => { audio.currentTime = 100; audio.play() }")
    until(page, "document.querySelector('audio[data-take=\"2\"]').currentTime > 100.5")

    page.keyboard.press("s")
    until(page, "document.querySelector('audio[data-take=\"1\"]').currentTime > 100.5")
    here, there = (each.evaluate("audio => audio.currentTime") for each in (first, second))
    assert abs(there - here) < 2
    assert first.evaluate("audio => audio.paused")
    assert not second.evaluate("audio => audio.paused")
    assert page.locator("#playing").inner_text() == "B: take 1"

    page.locator("#switch").click()
    until(page, "!document.querySelector('audio[data-take=\"2\"]').paused")
    assert page.locator("#playing").inner_text() == "A: take 2"


def test_the_page_of_a_waiting_task_becomes_a_player_by_itself(page, airflow):
    run = airflow.run("heard")
    run.until_seen("song", "deferred")
    page.goto(airflow.url + path_of(run, "song"))
    until(page, "document.getElementById('progress').textContent.includes('usually takes')", 20)
    assert page.locator("audio").count() == 0

    page.wait_for_selector("audio[data-take='1']", timeout=90_000)
    until(page, "document.getElementById('progress').textContent === 'Ready.'", 60)
    airflow.finish(run)


def test_the_task_links_to_its_page_while_it_waits_and_after(page, airflow, song):
    run = airflow.run("heard")
    run.until_seen("song", "deferred")
    assert airflow.api.links(run.dag_id, run.run_id, "song")["Listen"] == path_of(run, "song")
    airflow.finish(run)
    assert airflow.api.links(run.dag_id, run.run_id, "song")["Listen"] == path_of(run, "song")

    page.goto(f"{airflow.url}{page_of(song)}/details")
    link = page.locator(f"a[href='{path_of(song, 'song')}']")
    link.wait_for(timeout=60_000)
    assert link.inner_text() == "Listen"


def test_a_class_that_inherits_and_a_decorator_link_to_their_pages(page, airflow, of_a_class):
    for task_id in ("jingle", "decorated"):
        links = airflow.api.links(of_a_class.dag_id, of_a_class.run_id, task_id)
        assert links["Listen"] == path_of(of_a_class, task_id)
        page.goto(airflow.url + links["Listen"])
        assert page.locator("audio").count() == 1
    assert airflow.api.links(of_a_class.dag_id, of_a_class.run_id, "another") == {}


def test_a_batch_leads_to_its_list_and_from_there_to_each_song(page, airflow):
    run = airflow.finish(airflow.run("heard_many"))
    page.goto(airflow.url + path_of(run, "songs"))
    assert page.locator("tbody tr").count() == 3
    page.get_by_role("link", name="Song 1").click()
    player = page.locator("audio")
    player.evaluate("audio => audio.play()")
    until(page, "document.querySelector('audio').currentTime > 0.3")
    assert "a bell, 1 times" in page.locator(".request").inner_text()


def test_a_mapped_task_links_to_its_own_song(page, airflow):
    run = airflow.finish(airflow.run("heard_each"))
    for index, words in enumerate(("a far bell", "a near drum")):
        where = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/each/links"
        links = airflow.api.call("GET", where, params={"map_index": index})["extra_links"]
        assert links["Listen"] == path_of(run, "each", index)
        page.goto(airflow.url + links["Listen"])
        assert words in page.locator(".request").inner_text()
        assert page.locator("audio").count() == 1


def test_the_library_is_in_the_navigation_and_holds_the_songs_and_their_cost(page, airflow, song):
    page.goto(f"{airflow.url}/plugin/music")
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="Songs").wait_for(timeout=60_000)
    page.goto(f"{airflow.url}/music/")
    # Once, although it was cleared: by what it returned last.
    assert page.locator(f"a[href='{path_of(song, 'song')}']").count() == 1
    page.locator("#sums progress").first.wait_for()
    picture(page, "listen-library")
    page.get_by_label("DAG", exact=True).fill("no such dag")
    page.get_by_role("button", name="Show").click()
    assert "No songs here" in page.locator("main").inner_text()


def test_a_script_in_the_words_of_a_song_stays_text(page, airflow, song):
    told = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(airflow.url + path_of(song, "song"))
    assert page.locator(".words").filter(has_text="<script>document.title").count() == 2
    page.wait_for_timeout(500)
    assert page.title() == "song, Listen"
    assert page.locator("main script, main img").count() == 0
    # No part of our own page breaks the policy either.
    assert [text for text in told if "Content Security Policy" in text] == []


def test_a_script_that_gets_into_a_page_does_not_run(page, airflow, song):
    page.goto(airflow.url + path_of(song, "song"))
    page.evaluate(
        "() => { const script = document.createElement('script');"
        " script.textContent = 'document.title = \"taken over\"'; document.body.append(script) }"
    )
    page.wait_for_timeout(300)
    assert page.title() == "song, Listen"


def test_verify_says_that_a_file_was_changed(page, airflow, song):
    page.goto(airflow.url + path_of(song, "song"))
    page.get_by_role("button", name="Verify provenance").first.click()
    until(page, "document.querySelector('.verdict').textContent.includes('sha256')")


def test_who_is_not_signed_in_is_led_to_the_sign_in_and_hears_nothing(session, airflow, song):
    anonymous = session(None)
    answer = anonymous.goto(airflow.url + path_of(song, "song"))
    assert answer.status == 401
    assert anonymous.locator("audio").count() == 0
    anonymous.get_by_role("button", name="Sign in to Airflow").click()
    anonymous.wait_for_url(re.compile("/auth/login"))
    with client_of(airflow, None) as client:
        assert client.get(path_of(song, "song") + "/take/1/audio").status_code == 401


def test_who_may_not_read_the_dag_sees_and_hears_nothing(session, airflow, song):
    stranger = session("stranger")
    assert stranger.goto(airflow.url + path_of(song, "song")).status == 403
    stranger.goto(f"{airflow.url}/music/")
    assert "No songs here" in stranger.locator("main").inner_text()
    with client_of(airflow, "stranger") as client:
        for what in ("", "/state", "/take/1/audio"):
            assert client.get(path_of(song, "song") + what).status_code == 403


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [None, PHONE])
@pytest.mark.parametrize("where", ["song", "library"])
def test_axe_finds_nothing_serious(session, airflow, song, axe, theme, viewport, where):
    page = session("listener", color_scheme=theme, **({"viewport": viewport} if viewport else {}))
    page.goto(airflow.url + (path_of(song, "song") if where == "song" else "/music/"))
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true })")
    if where == "library":
        page.locator("#sums progress").first.wait_for()
    page.evaluate(axe)
    found = page.evaluate("() => axe.run()")["violations"]
    serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert serious == [], json.dumps(found, indent=1)[:3000]


def test_a_phone_needs_no_scrolling_sideways(session, airflow, song):
    page = session("listener", viewport=PHONE)
    for path in (path_of(song, "song"), "/music/"):
        page.goto(airflow.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_airflow_s_own_theme_is_followed(session, airflow, song):
    page = session("listener", color_scheme="light")
    page.goto(airflow.url + path_of(song, "song"))
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.evaluate("localStorage.setItem('theme', 'dark')")
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


@pytest.mark.skipif(not AIRFLOW_VERSION.startswith("3.4"), reason="a tab on some operators only came with Airflow 3.4")
def test_a_tab_is_on_our_tasks_only(page, airflow, song):
    page.goto(airflow.url + page_of(song))
    page.get_by_role("link", name="Listen", exact=True).first.click(timeout=60_000)
    page.frame_locator("iframe").locator("audio").first.wait_for(timeout=60_000)


@pytest.mark.skipif(not AIRFLOW_VERSION.startswith("3.4"), reason="a tab on some operators only came with Airflow 3.4")
def test_a_tab_is_on_the_tasks_of_decorators_and_of_inherited_classes_and_not_on_others(page, airflow, of_a_class):
    for task_id in ("jingle", "decorated"):
        page.goto(airflow.url + page_of(of_a_class, task_id))
        page.get_by_role("link", name="Listen", exact=True).first.click(timeout=60_000)
        page.frame_locator("iframe").locator("audio").first.wait_for(timeout=60_000)
    page.goto(airflow.url + page_of(of_a_class, "another"))
    page.get_by_role("link", name="Code", exact=True).first.wait_for(timeout=60_000)
    page.wait_for_timeout(2000)
    assert page.get_by_role("link", name="Listen", exact=True).count() == 0
