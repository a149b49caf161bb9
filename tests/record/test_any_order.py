# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Any order of tries, crashes, retries, clears, lost answers and late log rows: the promises about money hold."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tempfile
import wave
from pathlib import Path
from typing import Any

import httpx
import pytest
from dying import Died, Mortality, instrument
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.compat import AirflowException, TaskDeferred
from airflow_provider_music.generation import reconcile
from airflow_provider_music.generation import runtime as clock
from airflow_provider_music.hooks.clients import close_clients
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.record import lease

KEY = "a-made-up-key"


def _tone() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(range(256)) * 125)
    return buffer.getvalue()


AUDIO = _tone()


class FakeApi:
    """The queued and the synchronous lane, and a log, in one process; counts every POST."""

    def __init__(self) -> None:
        self.next_answers: list[str] = []
        self.posts: list[str] = []
        self.songs: dict[str, dict[str, Any]] = {}
        self.log_is_up = True
        self.log_shows_all = True

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return self._post(request)
        if request.url.path == "/v2/logs":
            return self._log()
        if request.url.path == "/audio.wav":
            return httpx.Response(200, content=AUDIO)
        song = self.songs[request.url.params["generation_id"]]
        if song["fate"] == "error":
            song["done"] = True
            body = {"id": song["id"], "status": "error", "error": {"name": "x", "message": "y"}}
        else:
            song["done"] = True
            body = {"id": song["id"], "status": "completed", "audio_file": {"url": "http://127.0.0.1/audio.wav"}}
        return httpx.Response(200, json=body)

    def _post(self, request: httpx.Request) -> httpx.Response:
        number = request.headers["X-Client-Request-Id"]
        self.posts.append(number)
        answer = self.next_answers.pop(0) if self.next_answers else "ok"
        if answer == "refused":
            raise httpx.ConnectError("refused")
        if answer == "busy":
            return httpx.Response(429, json={"message": "busy", "statusCode": 429})
        if answer == "broken":
            return httpx.Response(500, json={"message": "broken", "statusCode": 500})
        fate = "error" if answer in ("error", "lost-error") else "ok"
        song = {"id": f"song-{len(self.songs)}", "request": number, "fate": fate, "done": False}
        self.songs[song["id"]] = song
        synchronous = request.url.path.endswith("minimax/generate")
        song["done"] = synchronous
        if answer in ("lost", "lost-error"):
            raise httpx.ReadError("cut")
        if answer == "gateway":
            return httpx.Response(502, text="<html>")
        if synchronous:
            if fate == "error":
                return httpx.Response(200, json={"base_resp": {"status_code": 1013, "status_msg": "x"}})
            body = {"data": {"status": 2, "audio": AUDIO.hex()}, "base_resp": {"status_code": 0}}
            return httpx.Response(200, json=body)
        return httpx.Response(200, json={"id": song["id"], "status": "queued"})

    def _log(self) -> httpx.Response:
        if not self.log_is_up:
            return httpx.Response(503, text="away")
        rows = [
            {
                "status": "failed" if song["fate"] == "error" else "succeeded",
                "client_request_id": song["request"],
                "inference_id": song["id"],
                "cost": {"usd": 0.1, "credits": 200000},
            }
            for song in self.songs.values()
            if song["done"] or self.log_shows_all
        ]
        return httpx.Response(200, json={"data": rows, "pagination": {"has_more": False}})


ANSWERS = st.sampled_from(["ok", "refused", "busy", "broken", "error", "lost", "lost-error", "gateway"])


DEATHS = st.sampled_from(
    [
        f"{when} folder.create({fact}.json)"
        for fact in ("intent", "accepted", "completed", "failed", "delivered")
        for when in ("before", "after")
    ]
)


WORDS = ["the sea", "the hills"]


class Promises(RuleBasedStateMachine):
    """One task instance, its API, and an Airflow that does to it whatever it likes."""

    lane = "queued"

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.life = Mortality()
        instrument(self.patch, lambda: self.life)
        self._hold_the_clock()
        self.patch.setattr(lease, "SILENCE_SECONDS", 0.0)
        self.patch.setenv(
            "AIRFLOW_CONN_MUSIC_DEFAULT",
            json.dumps({"conn_type": "music", "host": "http://127.0.0.1:1", "password": KEY}),
        )
        self.folder = tempfile.TemporaryDirectory()
        self.api = FakeApi()
        transport = httpx.MockTransport(self.api.handle)
        self.network = use_transport(transport)
        self.network.__enter__()
        self.try_number, self.max_tries = 1, 2
        self.phase, self.trigger, self.event = "execute", None, None
        self.clears = self.delivered = 0
        self.results: list[dict[str, Any]] = []
        self.words = WORDS[0]

    def _hold_the_clock(self) -> None:
        skipped, real_now, real_monotonic = [0.0], clock.now, clock.monotonic

        async def sleep(seconds: float) -> None:
            skipped[0] += seconds
            await asyncio.sleep(0)

        self.patch.setattr(clock, "now", lambda: real_now() + skipped[0])
        self.patch.setattr(clock, "monotonic", lambda: real_monotonic() + skipped[0])
        self.patch.setattr(clock, "sleep", sleep)
        self.patch.setattr(reconcile, "_WATCH_SECONDS", 30.0)

    def teardown(self) -> None:
        self.network.__exit__(None, None, None)
        self.patch.undo()
        self.folder.cleanup()

    def task(self) -> GenerateMusicOperator:
        fields = {"model": "minimax/music-2.6", "prompt": self.words}
        if self.lane == "synchronous":
            fields = {"model": "music-01", "lyrics": self.words, "refer_voice": "vocal-2025082518145625-6XW9wCOF"}
        return GenerateMusicOperator(task_id="song", output_dir=self.folder.name, timeout=300, **fields)

    def context(self) -> dict[str, Any]:
        ti = type("Ti", (), {})()
        ti.dag_id, ti.run_id, ti.task_id, ti.map_index = "dag", "run", "song", -1
        ti.try_number, ti.max_tries = self.try_number, self.max_tries
        return {"ti": ti}

    async def fire(self) -> dict[str, Any]:
        cls, kwargs = self.trigger
        try:
            return (await anext(aiter(cls(**kwargs).run()))).payload
        finally:
            await close_clients()

    def step(self) -> None:
        """Run one process of the task; Airflow notes how it ended."""
        try:
            if self.phase == "trigger":
                self.event, self.phase = asyncio.run(self.fire()), "resume"
                return
            task = self.task()
            result = (
                task.execute_complete(self.context(), self.event)
                if self.phase == "resume"
                else task.execute(self.context())
            )
            self.phase = "success"
            self.results.append(result)
        except TaskDeferred as deferred:
            self.trigger = (type(deferred.trigger), deferred.trigger.serialize()[1])
            self.phase = "trigger"
        except AirflowException:
            self.phase = "failed"

    @rule(answers=st.lists(ANSWERS, max_size=3))
    def the_api_will_answer(self, answers):
        self.api.next_answers = answers

    @rule(up=st.booleans(), shows_all=st.booleans())
    def the_log_changes(self, up, shows_all):
        self.api.log_is_up, self.api.log_shows_all = up, shows_all

    @rule(words=st.sampled_from(WORDS))
    def a_person_edits_the_request(self, words):
        """Between processes, as a new version of the DAG file does; also back to what it was."""
        self.words = words

    @rule()
    def airflow_goes_on(self):
        self.life = Mortality()
        if self.phase in ("execute", "trigger", "resume"):
            self.step()

    @rule(at=st.integers(0, 70))
    def a_process_dies_somewhere(self, at):
        self.live_until_death(Mortality(at))

    @rule(on=DEATHS)
    def a_process_dies_at_a_bad_moment(self, on):
        self.live_until_death(Mortality(on=on))

    def live_until_death(self, life):
        if self.phase not in ("execute", "trigger", "resume"):
            return
        before = self.phase
        self.life = life
        try:
            self.step()
        except Died:
            if before != "trigger":
                self.phase, self.try_number = "execute", self.try_number + 1

    @rule()
    def airflow_goes_on_to_the_end(self):
        for _ in range(4):
            self.airflow_goes_on()

    @rule()
    def a_second_copy_of_the_trigger_runs(self):
        self.life = Mortality()
        if self.phase == "trigger":
            asyncio.run(self.fire())

    @rule()
    def airflow_retries(self):
        """Also after a success that it lost, as its scheduler can."""
        if self.phase in ("failed", "success"):
            self.phase, self.try_number = "execute", self.try_number + 1

    @rule()
    def a_person_clears(self):
        if self.phase in ("failed", "success", "trigger"):
            self.clears += 1
            self.max_tries = self.try_number + 2
            self.phase, self.try_number = "execute", self.try_number + 1

    @invariant()
    def no_request_is_posted_twice(self):
        assert len(set(self.api.posts)) == len(self.api.posts)

    @invariant()
    def what_is_billed_was_asked_for_by_a_person(self):
        billed = [song for song in self.api.songs.values() if song["fate"] == "ok"]
        assert len(billed) <= 1 + self.clears

    @invariant()
    def a_delivered_song_has_its_audio(self):
        for result in self.results:
            if result["status"] == "completed":
                audio = Path(result["audio_uri"].removeprefix("file://")).read_bytes()
                assert hashlib.sha256(audio).hexdigest() == result["audio"]["sha256"]

    @invariant()
    def no_more_songs_are_live_than_takes_allow(self):
        facts = {path.parent.name: path.stem for path in Path(self.folder.name).rglob("intent.json")}
        assert len(self.api.posts) <= len(facts)


class SynchronousPromises(Promises):
    lane = "synchronous"


LIMITS = settings(
    max_examples=200, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestQueued = Promises.TestCase
TestQueued.settings = LIMITS
TestSynchronous = SynchronousPromises.TestCase
TestSynchronous.settings = LIMITS
