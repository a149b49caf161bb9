# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Mutations that no test catches, and why none has to: by their names as ``make mutants`` builds them."""

from __future__ import annotations

_ANY_OTHER_WORD = "only 'resubmit' is asked for, so any other word is 'fail'"
_FROM_ONE = "try numbers begin at 1, so 0 and -1 are alike"

SURVIVORS: dict[str, str] = {
    "record/policy.py Attempt: on_unknown: OnUnknown = \"fail\" -> on_unknown: OnUnknown = 'XXfail'": _ANY_OTHER_WORD,
    'record/policy.py _after_delivery: if attempt.try_number <= int(seen.get("try_number", 0)): -> '
    'if attempt.try_number <= int(seen.get("try_number", -1)):': _FROM_ONE,
}
