# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Definitions of shared budgets, and the ledger below them."""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_music.api.budgets import end_of_period, parse_budgets, period_of
from airflow_provider_music.cost import ledger as ledgers
from airflow_provider_music.cost.ledger import Ledger
from airflow_provider_music.exceptions import OutputError
from airflow_provider_music.record import exclusive
from airflow_provider_music.storage.folder import Folder

TEN = Decimal(10)
#: Of another task: costs nothing, and takes a number all the same.
FREE = {"item": "other-1", "usd": "0", "before_usd": "0", "promised": {}}


@pytest.fixture
def ledger(tmp_path):
    return Ledger(str(tmp_path / "2026-11-28"))


def defined(value):
    found, problems = parse_budgets(value)
    return {one.name: (str(one.usd), one.per, one.dir) for one in found}, problems


@pytest.mark.parametrize(
    "value",
    [
        "marketing = 10 USD/day; film=200.5 USD / month",
        "marketing=10/day,film=$200.5 per month",
        '{"marketing": "10 USD/day", "film": {"usd": 200.5, "per": "month"}}',
        {"marketing": {"usd": "10", "per": "day"}, "film": "200.5 USD/month"},
    ],
)
def test_both_forms_of_a_definition_say_the_same(value):
    found, problems = defined(value)
    assert problems == []
    assert {name: (float(usd), per) for name, (usd, per, _) in found.items()} == {
        "marketing": (10.0, "day"),
        "film": (200.5, "month"),
    }


def test_a_definition_may_name_the_folder_of_its_ledger():
    assert defined({"film": {"usd": 1, "per": "week", "dir": "s3://b/x"}})[0] == {"film": ("1.0", "week", "s3://b/x")}


@pytest.mark.parametrize("value", [None, "", "  ", "{}", {}])
def test_nothing_defines_nothing(value):
    assert defined(value) == ({}, [])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("marketing", "no '='"),
        ("marketing = lots", "no amount and period"),
        ("marketing = 10 USD/year", "give day, week or month"),
        ("marketing = -1 USD/day", "no amount and period"),
        ("a = 1/day; a = 2/day", "defined twice"),
        ("../x = 1/day", "no name of a budget"),
        ("{broken", "no JSON"),
        ("[1]", "no '='"),
        ([1], "defines no budgets"),
        ({"a": 5}, "give usd, per"),
        ({"a": {"usd": True, "per": "day"}}, "give US dollars"),
        ({"a": {"usd": float("nan"), "per": "day"}}, "give US dollars"),
        ({"a": {"usd": 1, "per": "day", "dri": "x"}}, "give usd, per"),
        ({"a": {"usd": 1, "per": "day", "dir": 5}}, "give a folder"),
    ],
)
def test_a_definition_that_cannot_be_read_is_named_with_its_fix(value, said):
    found, problems = defined(value)
    assert said in "; ".join(problems)
    assert found == {} or list(found) == ["a"]


@pytest.mark.parametrize(
    ("per", "moment", "name", "end"),
    [
        ("day", "2026-11-28T23:59:59+00:00", "2026-11-28", "2026-11-29"),
        ("day", "2026-11-28T23:59:59-05:00", "2026-11-29", "2026-11-30"),
        ("week", "2026-11-30T00:00:00+00:00", "2026-W49", "2026-12-07"),
        ("week", "2027-01-03T12:00:00+00:00", "2026-W53", "2027-01-04"),
        ("month", "2026-12-31T12:00:00+00:00", "2026-12", "2027-01-01"),
        ("month", "2028-02-29T12:00:00+00:00", "2028-02", "2028-03-01"),
    ],
)
def test_a_period_is_one_of_utc(per, moment, name, end):
    at = datetime.fromisoformat(moment)
    assert period_of(per, at) == name
    assert end_of_period(per, at) == datetime.fromisoformat(end).replace(tzinfo=UTC)


# The ledger


def test_an_empty_ledger_has_spent_nothing_and_makes_no_folder(ledger, tmp_path):
    assert (ledger.state().newest, ledger.state().usd) == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_reservations_add_up_to_the_limit_and_not_a_cent_further(ledger):
    limit = Decimal("0.39")
    assert ledger.reserve("a-1", Decimal("0.195"), limit) == 1
    assert ledger.reserve("b-1", Decimal("0.195"), limit) == 2
    assert ledger.reserve("c-1", Decimal("0.000001"), limit) is None
    assert ledger.reserve("c-1", Decimal(0), limit) == 3
    assert ledger.state().usd == limit


def test_a_request_has_one_reservation_however_often_it_asks(ledger):
    assert [ledger.reserve("a-1", Decimal(4), TEN) for _ in range(3)] == [1, 1, 1]
    assert ledger.reserve("a-2", Decimal(4), TEN) == 2
    assert ledger.reserve("a-1", Decimal(2), TEN) == 3, "for another amount it is another request"


def test_what_is_settled_counts_as_what_it_came_to_and_once(ledger):
    for item in ("a-1", "b-1", "c-1"):
        ledger.reserve(item, Decimal(3), TEN)
    assert ledger.settle(1, Decimal(0), "failed")
    assert ledger.settle(2, Decimal("3.5"), "dearer than it was quoted")
    assert not ledger.settle(2, Decimal(0), "again")
    assert ledger.state().usd == Decimal("6.5")
    assert ledger.reserve("d-1", Decimal("3.5"), TEN) == 4
    assert ledger.reserve("e-1", Decimal("0.01"), TEN) is None
    assert ledger.state().usd == TEN


def test_a_settled_request_that_is_sent_again_reserves_again(ledger):
    ledger.reserve("a-1", Decimal(4), TEN)
    ledger.settle(1, Decimal(0), "never sent")
    assert ledger.reserve("a-1", Decimal(4), TEN) == 2


def test_whoever_is_first_decides_whether_a_reservation_is_used_or_abandoned(ledger):
    for item in ("a-1", "b-1"):
        ledger.reserve(item, Decimal(1), TEN)
    assert ledger.use(1)
    assert not ledger.use(1, abandoned=True)
    assert not ledger.is_abandoned(1)
    assert ledger.use(2, abandoned=True)
    assert not ledger.use(2)
    assert ledger.is_abandoned(2)
    assert ledger.state().used == {1, 2}


def test_a_reservation_reads_no_more_of_a_long_ledger_than_of_a_short_one(ledger, monkeypatch):
    calls = []
    for name in ("read", "create", "names", "children"):
        whole = getattr(Folder, name)
        monkeypatch.setattr(
            Folder, name, lambda self, *args, _whole=whole, _name=name: (calls.append(_name), _whole(self, *args))[1]
        )

    def one(number):
        calls.clear()
        entry = ledger.reserve(f"{number}-1", Decimal("0.01"), TEN)
        ledger.use(entry)
        ledger.settle(entry, Decimal("0.01"), "done")
        return sorted(calls)

    counts = [one(number) for number in range(250)]
    usual = ["children", "create", "create", "create", "names", "read", "read"]
    assert counts[0] == ["children", "create", "create", "create"]
    assert counts[1:] == [usual] * 249
    assert ledger.state().usd == Decimal("2.50")
    assert sorted(path.name for path in Path(ledger.url.removeprefix("file://")).iterdir()) == ["0000", "0001", "0002"]


def test_a_promise_of_an_old_block_is_still_known_and_settled_there(ledger):
    ledger.reserve("old-1", Decimal(1), TEN)
    for number in range(150):
        ledger.settle(ledger.reserve(f"{number}-1", Decimal("0.01"), TEN), Decimal(0), "failed")
    assert ledger.state().usd == 1
    ledger.settle(1, Decimal("0.5"), "done")
    assert ledger.state().usd == Decimal("0.5")
    assert ledger.reserve("new-1", Decimal("9.5"), TEN) == 152


def test_many_threads_that_race_reserve_no_cent_too_much(ledger):
    def one(number):
        return Ledger(ledger.url).reserve(f"{number}-1", Decimal("0.195"), TEN)

    with ThreadPoolExecutor(16) as pool:
        entries = list(pool.map(one, range(80)))
    had = sorted(entry for entry in entries if entry is not None)
    assert had == list(range(1, 52)), "51 songs of 0.195 USD are 9.945 USD"
    assert ledger.state().usd == Decimal("9.945")


@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(["reserve", "settle", "give back"]),
            st.integers(0, 5),
            st.decimals("0.01", "4", places=2),
        ),
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_the_ledger_has_the_sum_of_what_is_billed_and_promised(acts):
    with tempfile.TemporaryDirectory() as folder:
        ledger, open_, closed = Ledger(folder), {}, Decimal()
        for act, which, usd in acts:
            number = list(open_)[which] if which < len(open_) else None
            if act == "reserve":
                made = ledger.reserve(f"{len(open_)}-{closed}-{which}-{usd}", usd, TEN)
                total = closed + sum(open_.values())
                if made is not None:
                    open_[made] = usd
                assert made is not None or total + usd > TEN
            elif number is not None:
                spent = min(usd, open_[number]) if act == "settle" else Decimal(0)
                assert ledger.settle(number, spent, act)
                del open_[number]
                closed += spent
            assert ledger.state().usd == closed + sum(open_.values()) <= TEN


def test_an_entry_that_was_cut_short_is_an_error_that_names_the_file(ledger):
    ledger.reserve("a-1", Decimal(1), TEN)
    entry = Path(ledger.url.removeprefix("file://")) / "0000" / "000001.json"
    for content in (b"", b"{", b"[]", b'{"schema": 2}', b'{"schema": 1}', b'{"schema": 1, "promised": []}'):
        entry.write_bytes(content)
        with pytest.raises(OutputError, match=r"000001\.json(.|\n)*Nothing is sent with this budget"):
            ledger.reserve("b-1", Decimal(1), TEN)


@pytest.mark.parametrize(
    "edited",
    [
        {"before_usd": "much"},
        {"before_usd": "NaN"},
        {"usd": "Infinity"},
        {"usd": None},
        {"promised": {"first": ["1", "a-1"]}},
        {"promised": {"1": 5}},
        {"promised": {"1": ["1"]}},
        {"promised": {"1": ["NaN", "a-1"]}},
    ],
    ids=str,
)
def test_an_entry_that_was_edited_to_no_amount_is_an_error_that_names_the_file(edited, ledger):
    ledger.reserve("a-1", Decimal(1), TEN)
    ledger.reserve("b-1", Decimal(1), TEN)
    entry = Path(ledger.url.removeprefix("file://")) / "0000" / "000002.json"
    entry.write_text(json.dumps({**json.loads(entry.read_text()), **edited}))
    with pytest.raises(OutputError, match=r"000002\.json(.|\n)*Nothing is sent with this budget"):
        ledger.reserve("c-1", Decimal(1), TEN)


@pytest.mark.parametrize("usd", ["much", "NaN", None])
def test_a_settlement_that_was_edited_to_no_amount_is_an_error_that_names_the_file(usd, ledger):
    number = ledger.reserve("a-1", Decimal(1), TEN)
    ledger.settle(number, Decimal(1), "done")
    settled = Path(ledger.url.removeprefix("file://")) / "0000" / "000001.settled.json"
    settled.write_text(json.dumps({**json.loads(settled.read_text()), "usd": usd}))
    with pytest.raises(OutputError, match=r"000001\.settled\.json(.|\n)*Nothing is sent with this budget"):
        ledger.reserve("b-1", Decimal(1), TEN)


def test_who_never_wins_a_number_gives_up_after_five_minutes_with_nothing_reserved(ledger, monkeypatch):
    clock, pauses = [0.0], []

    def pause(seconds):
        pauses.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(ledgers.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(ledgers.time, "sleep", pause)
    monkeypatch.setattr(ledgers.random, "uniform", lambda _, most: most)
    create = Ledger._create
    monkeypatch.setattr(
        Ledger, "_create", lambda *_: create(Ledger(ledger.url), ledger.state().newest + 1, None, FREE) and False
    )

    with pytest.raises(OutputError, match="nothing was reserved and nothing was sent"):
        ledger.reserve("a-1", Decimal(1), TEN)

    assert pauses[:3] == [0.01, 0.02, 0.04]
    assert pauses[-1] == 1.0
    assert 300 < clock[0] <= 301


@pytest.mark.parametrize("name", ["read", "create", "names", "children"])
def test_a_store_that_does_not_answer_is_an_error_and_no_empty_ledger(name, ledger, monkeypatch):
    ledger.reserve("a-1", Decimal(1), TEN)

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Folder, name, broken)
    with pytest.raises(OutputError, match="Input/output error"):
        ledger.reserve("b-1", Decimal(1), TEN)


def test_a_listing_that_is_older_than_the_newest_entry_costs_a_round_and_no_cent(ledger, monkeypatch):
    ledger.reserve("a-1", Decimal(6), TEN)
    whole = Folder.names
    monkeypatch.setattr(Folder, "names", lambda self: whole(self) - {"000002.json"})
    Ledger(ledger.url).reserve("b-1", Decimal(3), TEN)
    monkeypatch.setattr(ledgers.time, "sleep", lambda _: None)
    assert ledger.reserve("c-1", Decimal(2), TEN) is None
    assert ledger.reserve("d-1", Decimal(1), TEN) == 3


def test_a_ledger_in_a_bucket_counts_as_one_on_disk(bucket):
    ledger = Ledger(f"{bucket.url}/ledger")
    with ThreadPoolExecutor(6) as pool:
        entries = list(pool.map(lambda n: Ledger(ledger.url).reserve(f"{n}-1", Decimal(1), Decimal(4)), range(6)))
    assert sorted(entry for entry in entries if entry) == [1, 2, 3, 4]
    assert ledger.use(2)
    assert ledger.settle(2, Decimal("0.25"), "done")
    assert ledger.state().usd == Decimal("3.25")


def test_a_store_that_creates_an_object_twice_holds_no_ledger(bucket, monkeypatch):
    monkeypatch.setattr(exclusive, "_proven", set())
    monkeypatch.setattr(Folder, "create_once", lambda *_: True)
    with pytest.raises(OutputError, match="created twice"):
        Ledger(f"{bucket.url}/ledger").reserve("a-1", Decimal(1), TEN)


def test_an_entry_is_plain_json_that_says_for_what_it_is(ledger):
    ledger.reserve("a-1", Decimal("0.195"), TEN, task="dag / run / task")
    entry = json.loads((Path(ledger.url.removeprefix("file://")) / "0000" / "000001.json").read_text())
    assert (entry["item"], entry["usd"], entry["before_usd"], entry["task"]) == (
        "a-1",
        "0.195",
        "0",
        "dag / run / task",
    )
