# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import io
import shutil
import time

import pytest

from airflow_provider_music.cli import player, try_song
from airflow_provider_music.provenance import verify

pytestmark = pytest.mark.usefixtures("quick_clock")


@pytest.fixture(autouse=True)
def no_player(monkeypatch):
    monkeypatch.setattr(player.shutil, "which", lambda _: None)


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def song_in(folder):
    (song,) = folder.glob("*.mp3")
    return song


def test_a_song_lands_in_the_current_folder_and_is_paid_once(music_sandbox, command):
    done = command("try", "Calm piano, at night!", "--yes")
    assert done.code == 0
    song = song_in(command.here)
    assert song.name.startswith("calm-piano-at-night-")
    assert done.lines[0] == str(song)
    assert verify(str(song)).ok
    (made,) = music_sandbox.generations()
    assert hashlib.sha256(song.read_bytes()).hexdigest() == made["sha256"]
    assert music_sandbox.posts("submit") == 1


def test_the_price_and_the_request_s_id_are_said_before_anything_is_sent(music_sandbox, command):
    music_sandbox.fault("submit:status=401")
    done = command("try", "calm piano", "--yes")
    assert done.code == 1
    assert "at most $0.195; balance $100.00" in done.err
    assert done.err.index("X-Client-Request-Id airflow-music-") < done.err.index("Submitting take 1")
    assert "not billed" in done.err
    assert files(command.here) == []


@pytest.mark.parametrize(("answer", "code", "posts"), [("y\n", 0, 1), ("n\n", 1, 0), ("\n", 1, 0), ("", 1, 0)])
def test_it_asks_before_it_pays(answer, code, posts, music_sandbox, command, monkeypatch):
    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    done = command("try", "calm piano")
    assert (done.code, music_sandbox.posts()) == (code, posts)
    assert "Generate and pay? [y/N]" in done.err


def test_with_nobody_to_ask_it_pays_nothing(music_sandbox, command, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    done = command("try", "calm piano")
    assert (done.code, music_sandbox.posts()) == (1, 0)
    assert "Give --yes to pay" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["calm piano", "--max-usd", "0.1"], "more than the limit"),
        (["calm piano", "--model", "minimax/musik-2.6"], "did you mean minimax/music-2.6"),
        (["rain", "--model", "stable-audio", "--field", "seconds_total=200"], "lower it to at most 47"),
        (["rain", "--model", "stable-audio", "--field", "seconds_total"], "give NAME=VALUE"),
        (["la", "--model", "music-01", "--lyrics", "la", "--field", "refer_voice=v"], None),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_sent(arguments, words, music_sandbox, command):
    done = command("try", *arguments, "--yes")
    assert (done.code, music_sandbox.posts()) == (1, 0)
    assert words is None or words in done.err


def test_a_price_that_is_not_known_keeps_no_limit(music_sandbox, command):
    music_sandbox.settings(pricing={"minimax/music-2.6": None})
    done = command("try", "calm piano", "--yes", "--max-usd", "5")
    assert (done.code, music_sandbox.posts()) == (1, 0)


def test_a_field_is_sent_as_its_model_takes_it(music_sandbox, command):
    assert command("try", "rain", "--model", "stable-audio", "--field", "seconds_total=12", "--yes").code == 0
    assert music_sandbox.generations()[0]["duration_ms"] == pytest.approx(12_000, abs=200)


def test_without_a_connection_nothing_is_sent(no_connection, command):
    done = command("try", "calm piano", "--yes")
    assert done.code == 2
    assert "AIRFLOW_CONN_MUSIC_DEFAULT" in done.err


def test_a_song_that_is_not_ready_in_time_is_resumed_and_not_paid_again(music_sandbox, command):
    music_sandbox.settings(delay=1)
    done = command("try", "calm piano", "--yes", "--timeout", "0.5")
    assert done.code == 3
    assert "keeps running and is billed" in done.err
    (folder,) = (path for path in command.here.iterdir() if path.is_dir())
    assert str(folder) in done.err
    while music_sandbox.generations()[0]["status"] != "completed":
        time.sleep(0.05)
    done = command("try", "--resume", folder)
    assert done.code == 0
    assert song_in(command.here).stem == folder.name
    assert music_sandbox.posts() == 1


def test_a_lost_answer_that_the_log_has_costs_one_song(music_sandbox, command):
    music_sandbox.fault("submit:cut-after")
    done = command("try", "calm piano", "--yes")
    assert done.code == 0
    assert song_in(command.here)
    assert music_sandbox.posts() == 1


def test_a_lost_answer_that_nobody_knows_is_adopted_and_resumed(music_sandbox, command):
    music_sandbox.settings(log_lag=3600)
    music_sandbox.fault("submit:cut-after")
    done = command("try", "calm piano", "--yes", "--timeout", "1")
    assert done.code == 3
    assert "may have been billed, under X-Client-Request-Id airflow-music-" in done.err
    (folder,) = (path for path in command.here.iterdir() if path.is_dir())
    (made,) = music_sandbox.generations()
    assert command("try", "--resume", folder, "--timeout", "1").code == 3
    assert command("adopt", "--yes", "--", made["id"], folder).code == 0
    assert command("try", "--resume", folder).code == 0
    assert song_in(command.here)
    assert music_sandbox.posts() == 1


def test_a_resumed_song_is_never_submitted(music_sandbox, command):
    music_sandbox.fault("submit:rate-limit=1,times=all")
    assert command("try", "calm piano", "--yes", "--timeout", "0.5").code == 1
    (folder,) = (path for path in command.here.iterdir() if path.is_dir())
    music_sandbox.clear_faults()
    posts = music_sandbox.posts()
    assert command("try", "--resume", folder).code == 1
    assert music_sandbox.posts() == posts


def test_a_claim_that_was_never_sent_is_not_sent_by_a_resume(music_sandbox, command):
    command("try", "calm piano", "--yes")
    (folder,) = (path for path in command.here.iterdir() if path.is_dir())
    for name in ("sent", "accepted", "completed", "delivered", "post"):
        (folder / "take-1" / f"{name}.json").unlink()
    (folder / "take-1" / "song.mp3").unlink()
    done = command("try", "--resume", folder)
    assert done.code == 1
    assert "is not billed" in done.err
    assert music_sandbox.posts() == 1


def test_a_song_that_is_there_is_shown_again_for_nothing(music_sandbox, command):
    command("try", "calm piano", "--yes")
    (folder,) = (path for path in command.here.iterdir() if path.is_dir())
    assert command("try", "--resume", folder).code == 0
    assert music_sandbox.posts() == 1


def test_a_folder_without_a_record_is_named(music_sandbox, command):
    done = command("try", "--resume", command.here)
    assert (done.code, music_sandbox.posts()) == (2, 0)
    assert "There is no record in" in done.err


def test_an_interruption_says_how_to_go_on(music_sandbox, command, monkeypatch):
    from airflow_provider_music.cli import one_song

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(one_song.OneSong, "run", interrupted)
    done = command("try", "calm piano", "--yes")
    assert done.code == 130
    assert "keeps running and is billed. To go on, free: python -m airflow_provider_music try --resume" in done.err


def test_as_json_it_is_what_a_task_returns_and_the_file(music_sandbox, command):
    done = command("try", "calm piano", "--yes", "-o", "json")
    assert done.json["file"] == str(song_in(command.here))
    assert done.json["usage"]["usd_spent"] == 0.195


def test_a_disk_without_hard_links_gets_a_copy(music_sandbox, command, monkeypatch):
    def refused(*_):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refused)
    assert command("try", "calm piano", "--yes").code == 0
    assert song_in(command.here).stat().st_nlink == 1


def test_the_song_is_played_with_the_first_player_that_is_there(music_sandbox, command, monkeypatch, tmp_path):
    played = []
    monkeypatch.setattr(player.shutil, "which", lambda name: f"/bin/{name}" if name in ("mpv", "aplay") else None)
    monkeypatch.setattr(player, "_run", lambda line: played.append(line) is None)
    command("try", "calm piano", "--yes", "--no-play")
    assert played == []
    done = command("try", "calm piano", "--yes")
    assert played[0][0] == "/bin/mpv"
    assert "Played with mpv" in done.err


def test_a_player_that_plays_no_mp3_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setattr(player.shutil, "which", lambda name: "/bin/aplay" if name == "aplay" else None)
    assert player.play(tmp_path / "song.mp3").startswith("No player found")


def test_a_player_that_fails_is_no_error(tmp_path):
    assert player._run([shutil.which("false") or "/nowhere", "x"]) is False
    assert player._run(["/nowhere/player"]) is False


def test_nothing_is_generated_without_a_prompt(music_sandbox, command):
    assert command("try").code == 2
    assert music_sandbox.posts() == 0
    assert try_song.run.__doc__
