# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The name of a song's files, made of what a task gives as ``name``: one path segment in any store and any URL.

It is made once, before the request, and recorded with it. A later try whose template gives another one finds the song
under the first.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from airflow_provider_music.exceptions import InvalidRequestError

#: As UTF-8. Behind it come ".mp3.provenance.json" and the mark of a file on its way; a disk takes 255 in all.
MAX_BYTES = 120
#: Beside letters, marks and digits of any script. Nothing that ends a URL's path, or that a store takes for a pattern.
_PLAIN = frozenset("._-+,=@()")
#: The content says which format it is, and these two endings have a meaning of their own.
_ENDING = re.compile(r"(?:\.(?:mp3|wav|pcm|flac|ogg|oga|opus|m4a|aac|aiff?)|\.rejected(?:-\d)?)+$", re.IGNORECASE)
_RUN = re.compile(r"_{2,}")
#: Characters that are looked at, of a text without end.
_LONGEST = 4096
_FIX = "give text with a letter or a digit in it, or leave it out: the files are called song then."


def file_name(value: Any) -> str | None:
    """Return the name of a song's files without its ending; None where none is given.

    :param value: what a task says, rendered. Native rendering makes a number of digits.
    :raises InvalidRequestError: no name is left of it; nothing was sent.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidRequestError(f"name: {value!r:.60} is no text; {_FIX}")
    if value.strip() in ("", "None"):
        raise InvalidRequestError(f"name: {value!r:.60}, which is what an empty XCom renders as; {_FIX}")
    plain = "".join(char if _is_plain(char) else "_" for char in unicodedata.normalize("NFC", value[:_LONGEST]))
    plain = _RUN.sub("_", plain)
    named = plain.encode()[:MAX_BYTES].decode(errors="ignore").strip("._-")
    while (shorter := _ENDING.sub("", named).strip("._-")) != named:
        named = shorter
    if not any(unicodedata.category(char)[0] in "LN" for char in named):
        raise InvalidRequestError(f"name: {value!r:.60} leaves no name for a file; {_FIX}")
    return named


def _is_plain(char: str) -> bool:
    return char in _PLAIN or unicodedata.category(char)[0] in "LMN"
