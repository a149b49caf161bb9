# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Faults on demand: the spec that names one, and the plan that says which request it hits.

A spec is ``ROUTE:KIND[=VALUE][,OPTION...]``. ROUTE is a name from ``settings.ROUTES``, or ``*``.

    submit:status=500                     the API's own 500, nothing billed
    submit:status=504,gateway,billed      a proxy's HTML page, but the song is made and billed
    submit:cut-before                     the connection ends, nothing billed
    generate:cut-after,times=2,skip=1     billed, then the connection ends; the 2nd and 3rd request
    poll:rate-limit=2,times=all           429 with Retry-After: 2
    download:cut-body=0.5,p=0.1,seed=7    half of the body, for a tenth of the requests

Options: ``times=N|all`` (default 1; all, if ``p`` is given), ``skip=N`` (requests let through first),
``p=0..1`` with ``seed=N``, ``billed`` or ``unbilled`` (after or before the API does its work),
``failed`` (the outcome of the generation is an error), ``gateway`` (HTML in place of the API's envelope),
``reset`` (cut with RST in place of FIN).
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass, field

from airflow_provider_music.sandbox.settings import ROUTES

#: Faults of the conversation, injected by the fault middleware: kind -> (value if none is given; None: takes no value;
#: "": needs one. Whether it comes after the API did its work)
CONNECTION_FAULTS: dict[str, tuple[str | None, bool]] = {
    "status": ("", False),
    "rate-limit": ("1", False),
    "base-resp": ("", False),
    "redirect": ("", False),
    "cut-before": (None, False),
    "cut-after": (None, True),
    "cut-body": ("0.5", True),
    "hang": ("3600", False),
    "late": ("1", True),
    "slow": ("1000", True),
    "junk": ("html", True),
    "wrong-length": ("1", True),
    "huge": ("100", True),
    "gzip-bomb": ("100", True),
}
#: Wrong content in a well-formed response, made by the endpoints: kind -> (value if none is given, the routes that
#: know it)
CONTENT_FAULTS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "error": (None, ("submit", "generate")),
    "audio": ("", ("generate", "download")),
    "expired-url": (None, ("poll",)),
    "no-file": (None, ("poll",)),
    "url": ("", ("poll",)),
    "status-word": ("", ("poll",)),
}
JUNK = ("html", "truncated", "text", "empty", "list", "nan", "deep")
HEX_KINDS = ("half", "odd", "upper", "nothex", "space", "null", "missing", "empty", "status1", "url")
FILE_KINDS = ("half", "empty", "html", "header", "other")
_FLAGS = ("billed", "unbilled", "failed", "gateway", "reset")
_NUMBERS = ("rate-limit", "cut-body", "hang", "late", "slow", "huge", "gzip-bomb")
_INTEGERS = ("status", "base-resp", "wrong-length")


class FaultSpecError(ValueError):
    """A fault's spec cannot be read."""


@dataclass
class Fault:
    """One fault, and how often it hit.

    :param spec: as it was given.
    :param times: how many requests it may still hit; None for all.
    :param skip: how many requests it still lets through.
    :param after: it comes once the API has done (and billed) its work.
    """

    spec: str
    route: str
    kind: str
    value: str | None = None
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0
    after: bool = False
    flags: frozenset[str] = frozenset()
    hits: int = 0
    rng: random.Random = field(default_factory=random.Random, repr=False)

    @property
    def is_content(self) -> bool:
        """Whether an endpoint makes it, in the content of its response."""
        return self.kind in CONTENT_FAULTS

    @property
    def fails(self) -> bool:
        """Whether the outcome of the generation is an error."""
        return self.kind == "error" or "failed" in self.flags

    def number(self) -> float:
        """Return the value as a number."""
        return float(self.value or 0)

    def meets(self, route: str) -> bool:
        """Count a request; return whether the fault hits it."""
        if self.route not in {"*", route} or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        return self.probability >= 1 or self.rng.random() < self.probability

    def hit(self) -> None:
        """Note a hit."""
        self.hits += 1
        if self.times is not None:
            self.times -= 1


class FaultPlan:
    """The faults that are armed, in order; the first that meets a request hits it."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def add(self, spec: str) -> Fault:
        """Arm a fault."""
        fault = parse(spec)
        self.faults.append(fault)
        return fault

    def clear(self) -> None:
        """Disarm all."""
        self.faults.clear()

    def fault_for(self, route: str) -> Fault | None:
        """Return the fault that hits this request; the others that it meets only count it."""
        met = [fault for fault in self.faults if fault.meets(route)]
        if not met:
            return None
        met[0].hit()
        return met[0]


def parse(spec: str) -> Fault:
    """Read a spec.

    :raises FaultSpecError: what is wrong, and what would be right.
    """
    where, colon, rest = spec.partition(":")
    if not colon or where not in {*ROUTES, "*"}:
        raise FaultSpecError(f"{spec!r}: starts with ROUTE: where ROUTE is one of *, {', '.join(ROUTES)}")
    first, *options = rest.split(",")
    kind, _, given = first.partition("=")
    fault = Fault(spec, where, kind, _value(spec, where, kind, given or None))
    fault.after = kind in CONNECTION_FAULTS and CONNECTION_FAULTS[kind][1]
    fault.flags = frozenset(options) & set(_FLAGS)
    fault.after = (fault.after or "billed" in fault.flags) and "unbilled" not in fault.flags
    settings = [option.partition("=")[::2] for option in options if option not in _FLAGS]
    if "p" in dict(settings):
        fault.times = None
    for name, text in settings:
        _set_option(fault, name, text)
    return fault


def _set_option(fault: Fault, name: str, text: str) -> None:
    number = float(text) if re.fullmatch(r"\d*\.?\d+", text) else math.nan
    if name == "times" and text == "all":
        fault.times = None
    elif name == "times" and text.isdecimal():
        fault.times = int(text)
    elif name == "skip" and text.isdecimal():
        fault.skip = int(text)
    elif name == "p" and 0 <= number <= 1:
        fault.probability = number
    elif name == "seed" and text.isdecimal():
        fault.rng = random.Random(int(text))  # noqa: S311 - not for secrets
    else:
        raise FaultSpecError(
            f"{fault.spec!r}: option {name}={text}; options are times=N|all, skip=N, p=0..1, seed=N, "
            f"{', '.join(_FLAGS)}"
        )


def _value(spec: str, route: str, kind: str, given: str | None) -> str | None:
    if kind in CONNECTION_FAULTS:
        default = CONNECTION_FAULTS[kind][0]
    elif kind in CONTENT_FAULTS and route in CONTENT_FAULTS[kind][1]:
        default = CONTENT_FAULTS[kind][0]
    else:
        known = [*CONNECTION_FAULTS, *(name for name, (_, routes) in CONTENT_FAULTS.items() if route in routes)]
        raise FaultSpecError(f"{spec!r}: kind {kind!r}; kinds of {route} are {', '.join(known)}")
    if default is None and given is not None:
        raise FaultSpecError(f"{spec!r}: {kind} takes no value")
    value = given or default
    if value == "":
        raise FaultSpecError(f"{spec!r}: {kind} needs a value, as in {kind}=...")
    _check_value(spec, route, kind, value)
    return value


def _check_value(spec: str, route: str, kind: str, value: str | None) -> None:
    choices = {"junk": JUNK, "audio": HEX_KINDS if route == "generate" else FILE_KINDS}.get(kind)
    if choices and value not in choices:
        raise FaultSpecError(f"{spec!r}: {kind} is one of {', '.join(choices)}")
    if kind in _NUMBERS and not re.fullmatch(r"\d+(\.\d+)?", value or ""):
        raise FaultSpecError(f"{spec!r}: {kind} needs a number, not {value!r}")
    if kind in _INTEGERS and not re.fullmatch(r"-?\d+", value or ""):
        raise FaultSpecError(f"{spec!r}: {kind} needs a whole number, not {value!r}")
    if kind == "status" and not 200 <= int(value or "") <= 599:  # noqa: PLR2004 - HTTP's final answers
        raise FaultSpecError(f"{spec!r}: status is from 200 to 599")
