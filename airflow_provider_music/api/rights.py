# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Under which licence or consent a song is made, as a task says it: ``rights``, one line of text or a URI.

It is recorded with the request, and no part of it: nothing of it is sent, and a changed one is no other request.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.secrecy import scrubbed
from airflow_provider_music.compat import conf
from airflow_provider_music.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Characters. It travels with the request; what is longer has a document, which can be named.
LONGEST = 300
_MOST_LISTED = 20
#: Joiners are part of the words of some scripts.
_JOINERS = "\u200c\u200d"
_FIX = "name the licence or the consent in one line, such as a document's URI, or leave it out."
MISSING = (
    "rights: not given, and require_rights asks for them: under which licence or consent are the inputs used? Give "
    "rights='...', a line of text or a document's URI."
)


def rights_line(value: Any) -> str | None:
    """Return a task's ``rights`` as one line without what could be a key; None where they are not given.

    :param value: as the task has it, rendered. Native rendering makes a number of digits.
    :raises InvalidRequestError: it is no text, says nothing or is too long; nothing was sent.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidRequestError(f"rights: {value!r:.60} is no text; {_FIX}")
    line = scrubbed(" ".join("".join(char if _is_shown(char) else " " for char in value).split()), "")
    if line in ("", "None"):
        raise InvalidRequestError(f"rights: {value!r:.60} says nothing; {_FIX}")
    if len(line) > LONGEST:
        raise InvalidRequestError(f"rights: {len(line)} characters, and {LONGEST} are the most; {_FIX}")
    return line


def rights_required(argument: object = None) -> bool:
    """Whether ``rights`` have to be given: a task's own ``require_rights`` asks, or ``[music] require_rights`` does."""
    return bool(argument) or bool(conf.getboolean("music", "require_rights", fallback=False))


def missing_in(indexes: Sequence[int]) -> InvalidRequestError:
    """Make the error of a batch whose requests at these places have none."""
    places = ", ".join(f"requests[{index}]" for index in indexes[:_MOST_LISTED])
    more = f" and {len(indexes) - _MOST_LISTED} more" if len(indexes) > _MOST_LISTED else ""
    return InvalidRequestError(f"{MISSING} Missing in {places}{more}.", "The batch")


def _is_shown(char: str) -> bool:
    """Whether a character is seen: no control, and none that turns the direction of a line around."""
    return char in _JOINERS or unicodedata.category(char)[0] != "C"
