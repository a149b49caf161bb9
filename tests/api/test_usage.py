# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import httpx
import pytest

from airflow_provider_music.api.usage import Usage, usage_of, usage_of_answer, usage_of_headers


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"credits_used": "390000", "usd_spent": "0.195"}, Usage(390000, 0.195)),
        ({"credits_used": 390000.0}, Usage(390000, None)),
        ({"credits_used": None, "usd_spent": float("nan")}, Usage()),
        ({"credits_used": "many", "usd_spent": True}, Usage()),
        ({"credits_used": 1e308}, Usage(int(1e308), None)),
        ([], Usage()),
        (None, Usage()),
        ("free", Usage()),
    ],
)
def test_a_price_may_come_as_text_or_not_at_all(usage, expected):
    assert usage_of({"meta": {"usage": usage}}) == expected
    assert usage_of({}) == usage_of({"meta": None}) == usage_of({"meta": []}) == Usage()


def test_the_price_in_the_headers_fills_what_the_body_does_not_say():
    headers = {"x-aimlapi-credits-used": "390000", "x-aimlapi-usd-spent": "0.195"}
    answer = httpx.Response(200, headers=headers)
    assert usage_of_headers(answer) == Usage(390000, 0.195)
    assert usage_of_answer({"meta": {"usage": {"credits_used": 1}}}, answer) == Usage(1, 0.195)
    assert Usage(0, 0.0).or_else(Usage(1, 1.0)) == Usage(0, 0.0)
    assert Usage(1).as_dict() == {"credits_used": 1, "usd_spent": None}
