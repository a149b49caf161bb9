# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The bill, explained: which task, run and take each row is of, and what nobody explains."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from airflow_provider_music.api.endpoints import LogPage, LogRow
from airflow_provider_music.exceptions import (
    ApiUnreachableError,
    AuthenticationError,
    InvalidRequestError,
    RateLimitedError,
    RecordError,
    UnknownOutcomeError,
)
from airflow_provider_music.generation import audit_adopt, audit_bill
from airflow_provider_music.generation.audit import AuditOptions, _is_music, audit
from airflow_provider_music.generation.audit_bill import Bill, read_bill
from airflow_provider_music.generation.audit_lines import lines_of
from airflow_provider_music.generation.audit_records import Records
from airflow_provider_music.generation.audit_report import COLUMNS, amount, csv_of, document, summary
from airflow_provider_music.generation.audit_span import Span
from airflow_provider_music.operators.music import PreprocessCoverOperator
from airflow_provider_music.record.take import Take
from airflow_provider_music.sensors.music import MusicGenerationSensor
from airflow_provider_music.storage.folder import Folder
from tests.lanes import LANES

REQUEST = "airflow-music-0123456789abcdef01234567-{}-aabbccdd-0123456789ab"
FIRST = REQUEST.format(1)
NOW = datetime.now(UTC)
SPAN = Span(NOW - timedelta(days=7), NOW + timedelta(hours=1))


def row(request=FIRST, generation="g-1", usd=0.195, status="succeeded", model="minimax/music-2.6", **more):
    used = round(usd * 2_000_000) if usd is not None else None
    fields = {"created": NOW.isoformat(), "credits": used, **more}
    return LogRow(status, request, generation, usd, model=model, **fields)


def take(tmp_path, n=1, lane="queued", request=None, written_at=None, **facts):
    intent = {
        "task": "dag / run / song",
        "lane": lane,
        "conn_id": "music_default",
        "client_request_id": request or REQUEST.format(n),
        "written_at": (written_at or NOW).isoformat(),
        "model": "minimax/music-2.6",
    }
    return Take(n, {"intent": intent, **facts}, Folder(str(tmp_path / f"take-{n}")))


def explained(rows, takes=(), sensed=None, is_music=None):
    return lines_of(Bill(tuple(rows)), Records(list(takes), sensed or {}), SPAN, "music_default", is_music)


@pytest.fixture
def audited(output_dir):
    def run(*roots, **more):
        span = Span.of("1h", None)
        # What was made in this very moment is a part of it.
        span = replace(span, until=span.until + timedelta(minutes=1))
        return audit(AuditOptions(roots=roots or (str(output_dir),), span=span, **more))

    return run


# One row


ACCEPTED = {"accepted": {"generation_id": "g-1", "usage": {"usd_spent": 0.195}}}
COMPLETED = {**ACCEPTED, "completed": {"generation_id": "g-1", "usage": {"usd_spent": 0.195}}}
LOST = {"unknown": {"reason": "the response is lost"}}


@pytest.mark.parametrize(
    ("lane", "facts", "outcome"),
    [
        ("queued", {**COMPLETED, "delivered": {}}, "delivered"),
        ("queued", {**COMPLETED, "delivered": {"chosen": True}}, "delivered"),
        ("queued", {**COMPLETED, "delivered": {"chosen": False}}, "not_chosen"),
        ("queued", {**ACCEPTED, "delivered": {}}, "id_delivered"),
        ("queued", COMPLETED, "in_storage"),
        ("queued", {**COMPLETED, "rejected": {"broken": ["too quiet"]}}, "in_storage"),
        ("queued", ACCEPTED, "to_land"),
        ("queued", {**ACCEPTED, "failed": {"reason": "no"}}, "failed_but_billed"),
        ("queued", LOST, "to_land"),
        ("queued", {}, "to_land"),
        ("synchronous", LOST, "lost"),
        ("synchronous", {}, "open"),
        ("synchronous", {"completed": {"usage": {}}, "delivered": {}}, "delivered"),
    ],
)
def test_a_row_is_explained_by_where_its_take_stands(lane, facts, outcome, tmp_path):
    (line,) = explained([row()], [take(tmp_path, lane=lane, **facts)])
    assert (line.outcome, line.is_explained, line.usd) == (outcome, True, Decimal("0.195"))
    assert line.why
    assert ("too quiet" in line.why) == ("rejected" in facts)


@pytest.mark.parametrize("status", ["failed", "error"])
@pytest.mark.parametrize("usd", [0.0, None])
def test_a_failed_row_costs_nothing_and_needs_no_record(status, usd):
    (line,) = explained([row(status=status, usd=usd)])
    assert (line.outcome, line.usd, line.is_explained) == ("not_billed", 0, True)


def test_a_row_that_no_record_knows_is_unexplained_to_the_cent():
    ours, other = explained([row(), row("somebody-else", "g-2", 1.5)])
    assert [line.outcome for line in (ours, other)] == ["no_record", "no_record"]
    assert "take 1 of a task whose record is not below" in ours.why
    assert "something else used the key" in other.why
    assert (other.unexplained_usd, other.is_explained) == (Decimal("1.5"), False)


def test_a_row_without_a_record_and_a_price_is_unexplained_too():
    (line,) = explained([row(usd=None)])
    assert (line.usd, line.is_explained) == (None, False)


def test_the_second_row_of_one_request_is_unexplained(tmp_path):
    known = take(tmp_path, **COMPLETED, delivered={})
    later = row(generation="g-2", created=(NOW + timedelta(seconds=9)).isoformat())
    second, first = explained([later, row()], [known])
    assert (first.outcome, second.outcome) == ("delivered", "billed_again")
    assert second.unexplained_usd == Decimal("0.195")


def test_a_failed_row_beside_the_paid_one_is_no_second_bill(tmp_path):
    known = take(tmp_path, **COMPLETED, delivered={})
    lines = explained([row(), row(generation="g-0", status="failed", usd=0.0)], [known])
    assert [line.outcome for line in lines] == ["delivered", "not_billed"]


def test_what_is_billed_above_the_apis_own_response_is_unexplained(tmp_path):
    (line,) = explained([row(usd=0.2)], [take(tmp_path, **COMPLETED, delivered={})])
    assert (line.outcome, line.unexplained_usd) == ("delivered", Decimal("0.005"))
    (cheaper,) = explained([row(usd=0.19)], [take(tmp_path, **COMPLETED, delivered={})])
    assert cheaper.is_explained


def test_a_row_without_a_request_id_is_known_by_its_generation(tmp_path):
    (line,) = explained([row(request=None)], [take(tmp_path, **COMPLETED, delivered={})])
    assert line.outcome == "delivered"


def test_a_request_of_which_only_the_beginning_is_known_explains_its_own_take_only(tmp_path):
    known = take(tmp_path, request="airflow-music-0123456789abcdef01234567-*", **LOST)
    lines = explained([row(), row(REQUEST.format(2), "g-2")], [known])
    assert [line.outcome for line in lines] == ["to_land", "no_record"]


def test_rows_of_other_models_are_set_aside_only_where_that_is_wanted():
    chat = row(None, "c-1", 0.3, model="gpt-5")
    assert explained([chat])[0].outcome == "no_record"
    named = row("their-own-id", "c-2", 0.3, model="gpt-5")
    ours = row(model="gpt-5")
    found = explained([chat, named, ours, row(None, "g-9")], is_music=lambda model: model != "gpt-5")
    assert [line.outcome for line in found] == ["other_model", "other_model", "no_record", "no_record"]


def test_the_catalogue_says_what_music_is_with_and_without_a_vendor():
    assert [_is_music(name) for name in ("minimax/music-2.6", "music-2.6", None, "openai/gpt-5")] == [
        *[True] * 3,
        False,
    ]


def test_requests_without_a_row_are_named_unless_nothing_is_owed(tmp_path):
    takes = [
        take(tmp_path, 1, **LOST),
        take(tmp_path, 2, **COMPLETED),
        take(tmp_path, 3, failed={"reason": "400"}),
        take(tmp_path, 4, sent={"abandoned": True}),
        take(tmp_path, 5, written_at=NOW - timedelta(days=30), **LOST),
    ]
    lines = explained([], takes)
    assert [(line.take.n, line.outcome) for line in lines] == [(1, "unknown"), (2, "not_in_log")]
    assert all(line.is_explained and line.row is None for line in lines)


def test_a_row_that_nobody_can_date_is_not_left_out():
    (line,) = explained([row(created="soon")])
    assert not line.is_explained


def test_rows_beside_the_span_are_no_lines_but_their_takes_have_a_row(tmp_path):
    before = row(created=(SPAN.since - timedelta(minutes=1)).isoformat())
    assert explained([before], [take(tmp_path, written_at=SPAN.since, **LOST)]) == []


# Amounts


def test_sums_do_not_drift():
    lines = explained([row(f"r-{n}", f"g-{n}", 0.1) for n in range(1000)])
    assert sum((line.usd for line in lines), Decimal()) == Decimal(100)


@pytest.mark.parametrize(
    ("usd", "text"), [("0", "0.00"), ("0.1", "0.10"), ("0.0000005", "0.0000005"), ("1E+2", "100.00"), ("-0.5", "-0.50")]
)
def test_an_amount_is_exact_text(usd, text):
    assert amount(Decimal(usd)) == text


# The log


class Log:
    """A client whose log has these pages; the first calls fail with these errors."""

    def __init__(self, *pages, errors=()):
        self.pages = pages
        self.errors = list(errors)
        self.calls = 0

    async def call(self, call):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        at = call.arguments["params"]["offset"] // 100
        return LogPage(tuple(self.pages[at]), at + 1 < len(self.pages))


@pytest.fixture
def bill_of(monkeypatch, quick_clock):
    def read(log, span=SPAN, **more):
        async def client(conn_id):
            return log

        monkeypatch.setattr(audit_bill, "client_of", client)
        return asyncio.run(read_bill("music_default", span, **more))

    return read


def rows_of(first, count=100):
    return [row(f"r-{n}", f"g-{n}") for n in range(first, first + count)]


def test_a_row_that_moved_to_the_next_page_meanwhile_counts_once(bill_of):
    bill = bill_of(Log(rows_of(0), rows_of(90), rows_of(190, 5)))
    assert len(bill.rows) == 195
    assert bill.gaps == ()


def test_a_row_whose_status_changed_meanwhile_counts_once_as_it_is_now(bill_of):
    (found,) = bill_of(Log([row(status="pending", usd=None)], [row()])).rows
    assert found.status == "succeeded"


def test_two_rows_on_one_page_that_are_alike_are_two(bill_of):
    assert len(bill_of(Log([row(None, None), row(None, None), row(), row()])).rows) == 4


def test_a_log_of_more_rows_than_are_read_says_so(bill_of):
    bill = bill_of(Log(rows_of(0), rows_of(100), rows_of(200)), max_rows=200)
    assert len(bill.rows) == 200
    assert "more than 200 rows" in bill.gaps[0]
    assert bill_of(Log(rows_of(0), rows_of(100)), max_rows=200).gaps == ()


def test_a_span_that_is_older_than_the_log_says_so(bill_of):
    (gap,) = bill_of(Log([]), Span(NOW - timedelta(days=100), NOW)).gaps
    assert "90 days" in gap


def test_a_page_is_read_again_where_the_log_does_not_answer(bill_of):
    log = Log([row()], errors=[RateLimitedError("429"), ApiUnreachableError("cut")])
    assert len(bill_of(log).rows) == 1
    assert log.calls == 3


def test_a_log_that_stays_silent_is_an_error_and_no_empty_bill(bill_of):
    with pytest.raises(ApiUnreachableError):
        bill_of(Log([], errors=[ApiUnreachableError("cut")] * 99))


def test_a_refused_key_is_not_tried_again(bill_of):
    log = Log([], errors=[AuthenticationError("401")])
    with pytest.raises(AuthenticationError):
        bill_of(log)
    assert log.calls == 1


# The span


def test_a_span_is_two_moments_or_how_long_before():
    span = Span.of("2026-10-01", "2026-11-01")
    assert (span.since.isoformat(), span.until.isoformat()) == (
        "2026-10-01T00:00:00+00:00",
        "2026-11-01T00:00:00+00:00",
    )
    assert span.until - Span.of("7d", "2026-11-01").since == timedelta(days=7)
    assert Span.of("2026-10-01T02:00:00+02:00", "2026-10-02").since == datetime(2026, 10, 1, tzinfo=UTC)


def test_the_end_of_a_span_is_not_in_it():
    span = Span.of("2026-10-01", "2026-11-01")
    assert span.has(span.since)
    assert not span.has(span.until)


@pytest.mark.parametrize(
    ("since", "until"),
    [("yesterday", None), ("2026-11-02", "2026-11-01"), ("", None), ("2999-01-01", None), ("9999w", "99999w")],
)
def test_what_is_no_span_is_refused_by_name(since, until):
    with pytest.raises(InvalidRequestError, match=r"The audit has 1 problem"):
        Span.of(since, until)


# With the sandbox


@pytest.mark.parametrize("lane", LANES)
def test_a_delivered_song_explains_its_row(lane, music_sandbox, airflow, song, audited):
    music_sandbox.settings(any_reference=True)
    airflow.run(song(lane))
    report = audited()
    (line,) = report.lines
    assert line.outcome == "delivered"
    plain = document(report)["lines"][0]
    assert (plain["dag_id"], plain["run_id"], plain["task_id"]) == ("dag", airflow.run_id, "song")
    assert (plain["take"], plain["another_airflow"]) == (1, False)
    assert summary(report)["bill"] == {"rows": 1, "usd": plain["usd"]}
    assert report.is_whole


def test_each_song_of_a_batch_and_each_take_has_a_row_of_its_own(music_sandbox, airflow, batch, audited):
    airflow.run(batch())
    airflow.clear()
    airflow.run(batch())
    lines = document(audited())["lines"]
    assert sorted((line["song"], line["take"]) for line in lines) == [(n, k) for n in range(3) for k in (1, 2)]


def test_an_analysis_of_a_reference_is_explained_too(music_sandbox, airflow, output_dir, audited):
    airflow.run(
        PreprocessCoverOperator(
            task_id="heard", reference_audio_url="https://example.org/a.mp3", record_dir=str(output_dir)
        )
    )
    assert [line.outcome for line in audited().lines] == ["delivered"]


def test_an_analysis_whose_response_is_lost_is_lost_and_nothing_to_land(
    music_sandbox, airflow, output_dir, audited, old_enough, quick_clock
):
    music_sandbox.fault("preprocess:cut-after")
    task = PreprocessCoverOperator(
        task_id="heard", reference_audio_url="https://example.org/a.mp3", record_dir=str(output_dir), timeout=5
    )
    with pytest.raises(UnknownOutcomeError):
        airflow.run(task)
    assert [line.outcome for line in audited(adopt=True).lines] == ["lost"]


def test_a_song_that_a_sensor_landed_is_delivered(music_sandbox, airflow, song, output_dir, audited):
    accepted = airflow.run(song(wait_for_completion=False))
    # Its row may be there already.
    assert {line.outcome for line in audited().lines} <= {"id_delivered", "not_in_log"}
    airflow.run(MusicGenerationSensor(task_id="wait", generation=accepted, output_dir=str(output_dir)))
    (line,) = audited().lines
    assert (line.outcome, line.sensed is not None) == ("delivered", True)
    shutil.rmtree(next(output_dir.rglob("take-1")))
    assert document(audited())["lines"][0]["outcome"] == "delivered"


def test_a_deleted_record_is_an_unexplained_row(music_sandbox, airflow, song, output_dir, audited):
    airflow.run(song())
    shutil.rmtree(output_dir)
    report = audited()
    assert report.unexplained.count == 1
    assert amount(report.unexplained.usd) == "0.195"


def test_another_airflows_rows_are_its_own_only_with_its_records(
    music_sandbox, airflow, song, output_dir, tmp_path, monkeypatch, audited
):
    monkeypatch.setenv("AIRFLOW__MUSIC__DEPLOYMENT", "staging")
    airflow.run(song(output_dir=str(tmp_path / "staging")))
    monkeypatch.setenv("AIRFLOW__MUSIC__DEPLOYMENT", "production")
    airflow.run(song())
    alone = audited()
    assert (alone.unexplained.count, alone.of_other_airflows.count) == (1, 0)
    both = audited(str(output_dir), str(tmp_path / "staging"))
    assert (both.unexplained.count, both.of_other_airflows.count) == (0, 1)
    assert {line["airflow"].partition("~")[0] for line in document(both)["lines"]} == {"staging", "production"}


def test_folders_that_hold_one_another_count_their_records_once(music_sandbox, airflow, song, output_dir, audited):
    airflow.run(song())
    report = audited(str(output_dir), str(output_dir), str(output_dir / "dag"))
    assert [line.outcome for line in report.lines] == ["delivered"]


def test_records_in_a_bucket_explain_their_rows_and_songs_are_landed_there(
    music_sandbox, airflow, song, bucket, audited, old_enough
):
    root = bucket.url.removesuffix("/take-1")
    airflow.run(song(output_dir=root))
    music_sandbox.fault("download:status=500,times=99")
    airflow.map_index = 1
    with pytest.raises(ApiUnreachableError):
        airflow.run(song(output_dir=root))
    music_sandbox.clear_faults()
    report = audited(root, adopt=True)
    assert sorted(line.outcome for line in report.lines) == ["delivered", "in_storage"]
    assert report.adopted[0].startswith(root)


def test_a_record_that_cannot_be_read_is_named_and_its_row_unexplained(
    music_sandbox, airflow, song, output_dir, audited
):
    airflow.run(song())
    next(output_dir.rglob("completed.json")).write_text("{")
    report = audited()
    assert (len(report.unreadable), report.unexplained.count) == (1, 1)


def test_a_store_that_does_not_answer_is_an_error(music_sandbox, monkeypatch, audited):
    def broken(self):
        raise PermissionError("no")

    monkeypatch.setattr(Folder, "names", broken)
    with pytest.raises(RecordError):
        audited()


def test_a_csv_has_a_row_a_line_and_no_formula(music_sandbox, airflow, song, audited):
    airflow.run(song())
    report = audited()
    evil = replace(report.lines[0], why="=HYPERLINK(1)")
    header, plain, odd = csv.reader(io.StringIO(csv_of(replace(report, lines=(report.lines[0], evil)))))
    assert tuple(header) == COLUMNS
    assert plain[COLUMNS.index("usd")] == "0.195"
    assert odd[COLUMNS.index("why")] == "'=HYPERLINK(1)"


# --adopt


@pytest.fixture
def lost(music_sandbox, airflow, song, quick_clock):
    """A task whose response is lost; the usage log has no row of it."""
    music_sandbox.settings(log_lag=3600)
    music_sandbox.fault("submit:cut-after")
    with pytest.raises(UnknownOutcomeError):
        airflow.run(song(timeout=1))
    return music_sandbox


@pytest.fixture
def old_enough(monkeypatch):
    monkeypatch.setattr(audit_adopt, "LEAVE_TO_TASK", timedelta())


@pytest.fixture
def killed_before_landing(music_sandbox, airflow, song):
    """A task that failed behind its wait: the song is paid, and lies with the API."""
    music_sandbox.fault("download:status=500,times=99")
    with pytest.raises(ApiUnreachableError):
        airflow.run(song())
    music_sandbox.clear_faults()
    return music_sandbox


def test_adopt_lands_what_is_paid_and_a_retry_returns_it(killed_before_landing, airflow, song, audited, old_enough):
    assert [line.outcome for line in audited().lines] == ["to_land"]
    report = audited(adopt=True)
    assert [line.outcome for line in report.lines] == ["in_storage"]
    assert (len(report.adopted), report.not_adopted) == (1, ())
    before = killed_before_landing.requests("download")
    airflow.retry()
    assert airflow.run(song())["audio_uri"] == report.adopted[0]
    assert killed_before_landing.requests("download") == before
    assert killed_before_landing.posts("submit") == 1
    assert [line.outcome for line in audited().lines] == ["delivered"]


def test_adopt_submits_nothing(killed_before_landing, audited, old_enough):
    before = killed_before_landing.posts()
    audited(adopt=True)
    audited(adopt=True)
    assert killed_before_landing.posts() == before


def test_a_song_of_the_last_hour_is_left_to_its_task(killed_before_landing, audited):
    report = audited(adopt=True)
    assert report.adopted == ()
    assert "left to its task" in report.not_adopted[0]


def test_a_song_that_cannot_be_landed_is_named_and_stays_explained(
    killed_before_landing, audited, old_enough, quick_clock
):
    killed_before_landing.fault("download:status=500,times=99")
    report = audited(adopt=True)
    assert (report.adopted, len(report.not_adopted), report.unexplained.count) == ((), 1, 0)


def test_a_lost_response_is_unknown_without_its_row(lost, audited):
    assert [line.outcome for line in audited().lines] == ["unknown"]


def test_adopt_gives_a_lost_response_the_id_of_the_log(
    music_sandbox, airflow, song, output_dir, audited, old_enough, quick_clock, monkeypatch
):
    music_sandbox.fault("logs:status=500,times=999")
    music_sandbox.fault("submit:cut-after")
    with pytest.raises(UnknownOutcomeError):
        airflow.run(song(timeout=1))
    music_sandbox.clear_faults()
    (line,) = audited().lines
    assert (line.outcome, line.take.state) == ("to_land", "unknown")
    report = audited(adopt=True)
    assert [line.outcome for line in report.lines] == ["in_storage"]
    fact = json.loads(next(output_dir.rglob("accepted.json")).read_text())
    assert fact["source"] == "audit"
    airflow.clear()
    assert airflow.run(song())["generation_id"] == fact["generation_id"]
    assert music_sandbox.posts("submit") == 1


def test_adopt_leaves_an_open_take_whose_writer_lives(
    music_sandbox, airflow, song, output_dir, audited, old_enough, monkeypatch
):
    airflow.run(song())
    for fact in ("accepted", "completed", "delivered"):
        next(output_dir.rglob(f"{fact}.json")).unlink()
    monkeypatch.setattr(audit_adopt, "SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(audit_adopt, "_LEASE_CHECK_SECONDS", 0.1)
    monkeypatch.setattr(audit_adopt.LeaseWatch, "writer_lives", lambda self: True)
    report = audited(adopt=True)
    assert [line.outcome for line in report.lines] == ["to_land"]
    assert "may still write" in report.not_adopted[0]
    assert not list(output_dir.rglob("accepted.json"))
