# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.sandbox.faults import CONNECTION_FAULTS, CONTENT_FAULTS, FaultPlan, FaultSpecError, parse


def hits(spec: str, requests: int, route: str = "submit") -> list[bool]:
    plan = FaultPlan()
    plan.add(spec)
    return [plan.fault_for(route) is not None for _ in range(requests)]


def test_a_fault_hits_once_unless_told_otherwise():
    assert hits("submit:cut-after", 3) == [True, False, False]


def test_times_and_skip_count_requests():
    assert hits("submit:cut-after,times=2,skip=1", 5) == [False, True, True, False, False]
    assert hits("submit:status=500,times=all", 3) == [True, True, True]
    assert hits("submit:status=500,times=0", 2) == [False, False]


def test_a_base_resp_fault_is_not_taken_for_a_probability():
    assert hits("submit:base-resp=1002", 2) == [True, False]


def test_a_probability_with_a_seed_hits_the_same_requests_every_time():
    spec = "submit:status=500,p=0.3,seed=7"
    assert hits(spec, 200) == hits(spec, 200)
    assert 30 < sum(hits(spec, 200)) < 90
    assert sum(hits("submit:status=500,p=1,times=2", 9)) == 2


def test_other_routes_are_left_alone_and_a_star_meets_all():
    assert hits("poll:status=500", 2) == [False, False]
    assert hits("*:status=500", 2) == [True, False]


def test_the_first_fault_wins_and_the_next_one_still_counts_the_request():
    plan = FaultPlan()
    plan.add("submit:status=500")
    plan.add("submit:cut-after,skip=1")
    assert [fault and fault.kind for fault in map(plan.fault_for, ["submit"] * 3)] == ["status", "cut-after", None]


@pytest.mark.parametrize(
    ("spec", "after"),
    [
        ("submit:cut-before", False),
        ("submit:cut-after", True),
        ("submit:status=504,gateway", False),
        ("submit:status=504,gateway,billed", True),
        ("submit:hang=1,billed", True),
        ("submit:junk", True),
        ("submit:junk=html,unbilled", False),
    ],
)
def test_a_spec_says_whether_the_work_is_done_first(spec, after):
    assert parse(spec).after is after


@pytest.mark.parametrize(
    "spec",
    [
        "submit",
        "nowhere:status=500",
        "submit:explode",
        "submit:status",
        "submit:status=abc",
        "submit:status=99",
        "submit:cut-before=1",
        "submit:cut-after,times=-1",
        "submit:cut-after,p=2",
        "submit:cut-after,p=nan",
        "submit:cut-after,seed=x",
        "submit:cut-after,tmes=1",
        "submit:hang=inf",
        "submit:junk=jpeg",
        "submit:expired-url",
        "generate:audio=other",
        "download:audio=upper",
    ],
)
def test_a_bad_spec_is_refused_by_name(spec):
    with pytest.raises(FaultSpecError, match=spec.partition(":")[0]):
        parse(spec)


def test_every_kind_parses_with_its_default():
    for kind, (default, _) in CONNECTION_FAULTS.items():
        parse(f"submit:{kind}" if default != "" else f"submit:{kind}=500")
    for kind, (default, routes) in CONTENT_FAULTS.items():
        for route in routes:
            parse(f"{route}:{kind}" if default != "" else f"{route}:{kind}=half")
