# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The words of a response that says no, whatever its JSON looks like, and whether they say that no credits are left.

The API has two error envelopes of its own; what stands before or behind it has many. Words are what a user reads and
searches for, so those of any shape are quoted. What they mean for the bill is decided in
:mod:`airflow_provider_music.api.responses`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Keys of a sentence, in any spelling of their case, the plainest first.
_SENTENCES = (
    *("message", "msg", "status_msg", "error_message", "errormessage", "error_msg", "error_description"),
    *("faultstring", "failure_reason", "reason", "description", "detail", "text"),
)
#: Keys of an object or a list that may hold the sentence.
_WRAPPERS = (
    *("error", "errors", "detail", "details", "base_resp", "fault", "failure", "cause", "response", "result", "data"),
    "body",
)
#: Keys of a constant or a headline: said before the sentence, or in place of a missing one.
_NAMES = ("name", "code", "type", "status", "title", "error", "error_code", "errorcode")
_MAX_ITEMS = 5
_MAX_DEPTH = 8
_MAX_PAGE = 20_000

_NO_CREDITS = re.compile(
    r"""
    insufficient[\s_-]+(?:[a-z]+[\s_-]+)?(?:balance|credits?|funds?|quota)\b
    | \b(?:balance|credits?|funds?)[\s_-]+(?:(?:is|are|was|were|has|have|been)[\s_-]+){0,2}
      (?:insufficient|not[\s_-]+(?:enough|sufficient)|too[\s_-]+low|exhausted|depleted|used[\s_-]+up|empty|negative)\b
    | \bnot[\s_-]+enough[\s_-]+(?:[a-z]+[\s_-]+)?(?:balance|credits?|funds?|money)\b
    | \bout[\s_-]+of[\s_-]+(?:[a-z]+[\s_-]+)?(?:credits?|funds?|balance|money)\b
    | \bno[\s_-]+(?:more[\s_-]+|remaining[\s_-]+)?(?:credits|funds)\b
    | \bpayment[\s_-]+required\b
    | \bspending[\s_-]+limit\b
    | \bcheck[\s]+your[\s]+plan[\s]+and[\s]+billing\b
    | \bbilling[\s_-]+hard[\s_-]+limit
    | \u4f59\u989d\u4e0d\u8db3
    """,
    re.IGNORECASE | re.VERBOSE,
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\u201c[^\u201d]*\u201d")
_NOT_TEXT = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)


def words_of(body: Any) -> str | None:
    """Return the words of an error's JSON; None where there are none.

    JSON of a shape that nobody foresaw is its own words.
    """
    found = _words(body, 0)
    if found is None and isinstance(body, dict | list) and body:
        return json.dumps(body, ensure_ascii=False)
    return found


def reason_in(body: Mapping[str, Any]) -> str | None:
    """Return the words of a failed generation that stand beside its status, where it has no ``error``."""
    lowered = {str(key).lower(): value for key, value in body.items()}
    return _first(lowered, (*_SENTENCES, "errors", "details", "base_resp", "failure"), 0)


def page_words(content: bytes) -> str:
    """Return the words of a body that is no JSON: plain text, or the text of a page."""
    text = content[:_MAX_PAGE].decode("utf-8", "replace")
    return " ".join(_NOT_TEXT.sub(" ", text).replace("\ufffd", " ").split())


def says_no_credits(body: Any, *, outside_quotes: bool = False) -> bool:
    """Whether an error's JSON says in clear words that the account's credits are used up.

    :param outside_quotes: leave out what the words quote, which may be the user's own.
    """
    texts = list(_texts(body, 0))
    if outside_quotes:
        texts = [_QUOTED.sub(" ", text) for text in texts]
    return any(_NO_CREDITS.search(text) for text in texts)


def _words(value: Any, depth: int) -> str | None:
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, list):
        found = [text for text in (_words(item, depth + 1) for item in value[:_MAX_ITEMS]) if text]
        return "; ".join(found) or None
    if not isinstance(value, dict):
        return None
    lowered = {str(key).lower(): item for key, item in value.items()}
    sentence = _first(lowered, _SENTENCES, depth) or _first(lowered, _WRAPPERS, depth)
    names = [item for key in _NAMES if isinstance(item := lowered.get(key), str) and item.strip()]
    if sentence is None:
        return " ".join(dict.fromkeys(names)) or None
    where = _place(lowered.get("loc", lowered.get("field", lowered.get("path"))), depth)
    head = where or (names[0] if names and depth else None)
    return sentence if head is None or head in sentence else f"{head}: {sentence}"


def _first(lowered: Mapping[str, Any], keys: tuple[str, ...], depth: int) -> str | None:
    return next((text for key in keys if (text := _words(lowered.get(key), depth + 1))), None)


def _place(loc: Any, depth: int) -> str | None:
    """Return which field a problem is about, in a list of problems."""
    if not depth:
        # At the top "path" is the path of the call.
        return None
    if isinstance(loc, list):
        return ".".join(str(part) for part in loc if isinstance(part, str | int)) or None
    return loc if isinstance(loc, str) and loc.strip() else None


def _texts(value: Any, depth: int) -> Iterator[str]:
    """Yield the sentences and the constants of an error, and nothing else of it: inputs may be quoted beside them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth <= _MAX_DEPTH:
        for item in value[:_MAX_ITEMS]:
            yield from _texts(item, depth + 1)
    elif isinstance(value, dict) and depth <= _MAX_DEPTH:
        for key, item in value.items():
            if str(key).lower() in (*_SENTENCES, *_WRAPPERS, *_NAMES):
                yield from _texts(item, depth + 1)
