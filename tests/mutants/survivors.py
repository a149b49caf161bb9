# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Mutations that no test catches, and why none has to: by their names as ``make mutants`` builds them."""

from __future__ import annotations

_ANY_OTHER_WORD = "only 'resubmit' is asked for, so any other word is 'fail'"
_FROM_ONE = "try numbers begin at 1, so 0 and -1 are alike"
_ONE_SONG = "of a list of one the first is the last"
_SHORTER = "the other side of max() is 1.5 s or more"
_FULL_STOP = "a set of characters, of which X ends no sentence; the full stop is in it as before"
_ENOUGH_DIGITS = "any number of random digits keeps two probes apart"
_PROBE = 'probe = f"created-twice-{uuid.uuid4().hex[:12]}.probe"'
_WAIT = 'wait = max(backoff(self._refused, first=2.0, longest=120.0), number_or_none(failed.get("retry_after")) or {})'

SURVIVORS: dict[str, str] = {
    "record/policy.py Attempt: on_unknown: OnUnknown = \"fail\" -> on_unknown: OnUnknown = 'XXfail'": _ANY_OTHER_WORD,
    'record/policy.py _after_delivery: if attempt.try_number <= int(seen.get("try_number", 0)): -> '
    'if attempt.try_number <= int(seen.get("try_number", -1)):': _FROM_ONE,
    "generation/reconcile.py Reconciliation._why_lost: "
    'lost = (self._lease.why() or "the process that held the POST open is gone").rstrip(".") -> '
    "lost = (self._lease.why() or \"the process that held the POST open is gone\").rstrip('XX.')": _FULL_STOP,
    **{
        f"generation/state_machine.py StateMachine._next_take: {_WAIT.format('0.0')} -> {_WAIT.format(other)}": _SHORTER
        for other in ("-1.0", "1.0")
    },
    "generation/task.py GenerationTask._after_earlier_tries: "
    "return song, remembered_take(song, self._memory) or searched_takes(song.conn_id, [song])[0] -> "
    "return song, remembered_take(song, self._memory) or searched_takes(song.conn_id, [song])[ -1]": _ONE_SONG,
    "generation/task.py GenerationTask._decided: "
    "take = newest_takes(song.conn_id, [song], searched_again(song.conn_id, [song], [take]))[0] -> "
    "take = newest_takes(song.conn_id, [song], searched_again(song.conn_id, [song], [take]))[ -1]": _ONE_SONG,
    **{
        f"generation/task.py GenerationTask.{place}[0]{end} -> {place.partition(': ')[2]}[ -1]{end}": _ONE_SONG
        for place, end in (
            ("_continued: spec = self._spending.specs([song], [decision])", ""),
            ("_reused: return self._wait(song.record, self._spending.specs([song], [decision])", ", take)"),
        )
    },
    **{
        f"record/exclusive.py prove_exclusive: {_PROBE} -> {_PROBE.replace(':12', f': {digits}')}": _ENOUGH_DIGITS
        for digits in (11, 13)
    },
}
