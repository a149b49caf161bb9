# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A take: request number n of a task instance, the facts that exist about it, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, assert_never, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.storage.folder import Folder

Fact = Literal["intent", "sent", "accepted", "completed", "failed", "unknown", "changed", "rejected", "delivered"]
FACTS: tuple[Fact, ...] = get_args(Fact)

#: Where a take stands. open: claimed, and nobody has said yet what came of it.
State = Literal["open", "accepted", "completed", "failed", "unknown", "delivered"]
#: The first fact that is there decides. An id in hand outranks "unknown". "changed" and "rejected" do not count.
_PRECEDENCE: tuple[tuple[Fact, State], ...] = (
    ("delivered", "delivered"),
    ("completed", "completed"),
    ("failed", "failed"),
    ("accepted", "accepted"),
    ("unknown", "unknown"),
    ("intent", "open"),
)

#: What a take means for the bill. billed: the API accepted it. may_be_billed: its answer is lost, or not there yet.
Billing = Literal["not_billed", "billed", "may_be_billed"]


@dataclass(frozen=True, slots=True)
class Take:
    """Request number n of a task instance: the facts that exist about it, and where they come to.

    :param home: where its facts lie; None for one that was put together from elsewhere.
    :param submissions: how often its song was submitted: requests that may have left, since the last delivery.
    :param audio_home: where its audio lies, if that is another folder.
    :param returned_again_by: the last try that returned it after the one that delivered it.
    """

    n: int
    facts: Mapping[Fact, Mapping[str, Any]] = field(default_factory=dict)
    home: Folder | None = None
    submissions: int = 1
    audio_home: Folder | None = None
    returned_again_by: int = 0
    state: State = field(init=False)
    #: The fact that decides it.
    decided_by: Fact = field(init=False)

    def __post_init__(self) -> None:
        fact, state = next(((fact, state) for fact, state in _PRECEDENCE if fact in self.facts), _PRECEDENCE[-1])
        object.__setattr__(self, "decided_by", fact)
        object.__setattr__(self, "state", state)

    def __contains__(self, fact: Fact) -> bool:
        return fact in self.facts

    def __getitem__(self, fact: Fact) -> Mapping[str, Any]:
        return self.facts[fact]

    @property
    def folder(self) -> Folder:
        """Where its facts lie."""
        if self.home is None:
            raise ValueError(f"take {self.n} was not read from a store")
        return self.home

    @property
    def audio_folder(self) -> Folder:
        """Where its audio lies: its intent says so, and no later process computes it anew."""
        return self.audio_home or self.folder

    @property
    def never_sent(self) -> bool:
        """Whether its owner is known to have been gone before it sent the request."""
        return bool(self.facts.get("sent", {}).get("abandoned"))

    @property
    def may_be_unsent(self) -> bool:
        """Whether it is open, and a reconciliation may find that it never left: the next take is submitted then."""
        unsent = "sent" not in self and bool(self.facts.get("intent", {}).get("says_when_sent"))
        return self.state == "open" and (unsent or self.never_sent)

    @property
    def generation_id(self) -> str | None:
        """The API's id, once it gave one."""
        return self.facts.get("accepted", {}).get("generation_id")

    @property
    def billing(self) -> Billing:
        """What it means for the bill; whoever counts or reports money asks here."""
        if self.is_reused:
            return "not_billed"
        match self.state:
            case "failed":
                return "not_billed"
            case "accepted" | "completed" | "delivered":
                return "billed"
            case "unknown":
                return "billed" if self["unknown"].get("billed") else "may_be_billed"
            case "open":
                return "may_be_billed"
            case _:
                assert_never(self.state)

    @property
    def is_reused(self) -> bool:
        """Whether another task paid for its song."""
        return bool(self.facts.get("intent", {}).get("reused"))

    @property
    def model(self) -> Any:
        """The model of the request, as it names it."""
        return self.facts.get("intent", {}).get("model")

    @property
    def not_chosen(self) -> bool:
        """Whether it was returned beside another one of the same request, which the task delivered as the best."""
        return self.facts.get("delivered", {}).get("chosen") is False

    @property
    def last_returned_by(self) -> int:
        """Number of the last try that returned it, 0 where none did."""
        return max(int(self.facts.get("delivered", {}).get("try_number", 0)), self.returned_again_by)

    @property
    def last_touched_by(self) -> int:
        """Number of the last try that left anything in it."""
        return max([self.returned_again_by, *(int(fact.get("try_number") or 0) for fact in self.facts.values())])

    def fact_url(self, fact: Fact) -> str:
        """URL of one fact, plain JSON."""
        return self.folder.url_of(f"{fact}.json")

    def with_fact(self, fact: Fact, values: Mapping[str, Any]) -> Take:
        """Return the take with one fact more."""
        return replace(self, facts={**self.facts, fact: values})
