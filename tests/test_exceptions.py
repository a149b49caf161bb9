# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect
import re

import pytest

from airflow_provider_music import exceptions
from airflow_provider_music.compat import AirflowException, AirflowFailException, AirflowSensorTimeout
from airflow_provider_music.exceptions import (
    ApiError,
    ApiUnreachableError,
    InvalidReferenceError,
    InvalidRequestError,
    LinkExpiredError,
    MusicError,
    named,
)

CLASSES = {
    name: found
    for name, found in vars(exceptions).items()
    if inspect.isclass(found) and found.__module__ == exceptions.__name__
}
LINE = re.compile(r"^(?P<indent>[ │]*)(?:├── |└── )(?P<name>\w+)\s+(?P<says>.+)$")


def drawn():
    """Parent and words of every class in the tree at the top of the module."""
    tree, path = {}, []
    for line in (exceptions.__doc__ or "").splitlines():
        found = LINE.match(line)
        if found is None:
            continue
        del path[(len(found["indent"]) - 4) // 4 :]
        tree[found["name"]] = (path[-1] if path else "AirflowException", found["says"])
        path.append(found["name"])
    return tree


def test_the_drawn_tree_is_the_real_one():
    tree = drawn()
    assert set(tree) == set(CLASSES)
    for name, (parent, _) in tree.items():
        parents = [base.__name__ for base in CLASSES[name].__bases__]
        assert parents[0] == parent
        assert set(parents[1:]) <= {"AirflowFailException", "AirflowSensorTimeout"}


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "MusicError"])
def test_a_class_ends_the_task_exactly_where_the_tree_says_so(name):
    says = drawn()[name][1]
    assert ("ends the task" in says) != ("retry can help" in says) or name == "ApiError"
    ends = issubclass(CLASSES[name], AirflowFailException | AirflowSensorTimeout)
    assert ends == ("ends the task" in says)


def test_every_error_of_the_package_is_an_airflow_exception():
    assert all(issubclass(found, MusicError | AirflowException) for found in CLASSES.values())
    assert not issubclass(LinkExpiredError, AirflowFailException)
    assert issubclass(LinkExpiredError, ApiUnreachableError)


def test_every_class_says_what_it_means():
    assert all(found is MusicError or found.__doc__ not in (None, MusicError.__doc__) for found in CLASSES.values())


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_that_a_fact_kept_is_made_again(name):
    error = named(name, "what was said")
    assert type(error) is CLASSES[name]
    assert str(error) == "what was said"


@pytest.mark.parametrize(
    "name", ["NoSuchError", "Exception", "AirflowFailException", "named", "TYPE_CHECKING", None, 5, ""]
)
def test_a_name_that_nobody_knows_is_a_plain_error(name):
    error = named(name, "what was said")
    assert type(error) is MusicError
    assert str(error) == "what was said"


def test_several_problems_come_in_one_message():
    error = InvalidRequestError(["lyrics: too long.", "prompt: not given."])
    assert error.problems == ["lyrics: too long.", "prompt: not given."]
    assert str(error) == (
        "The request has 2 problems; nothing was sent:\n  - lyrics: too long.\n  - prompt: not given."
    )
    assert str(InvalidReferenceError("file: gone.", "The reference 'a'")) == (
        "The reference 'a' has 1 problem; nothing was sent:\n  - file: gone."
    )


def test_an_answer_that_said_no_keeps_what_the_apis_support_asks_for():
    error = ApiError("no", status=429, code=1002, request_id="r-1", retry_after=3.0)
    assert (error.status, error.code, error.request_id, error.retry_after) == (429, 1002, "r-1", 3.0)
    assert ApiError("no").status is None
