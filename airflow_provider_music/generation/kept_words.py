# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The words of a song beside its audio, where a task is to keep them (``keep_request``).

They are written before the request is sent: only the first half of a try is sure to know them, and a folder that does
not take them must not cost a song. So they stay beside a take that failed as well.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from airflow_provider_music.api.plain import WORDS
from airflow_provider_music.exceptions import OutputError
from airflow_provider_music.storage.folder import Folder
from airflow_provider_music.storage.song_name import DEFAULT_NAME, recorded_name

if TYPE_CHECKING:
    from airflow_provider_music.generation.attempt import SongAttempt
    from airflow_provider_music.record.policy import Decision
    from airflow_provider_music.record.take import Take

log = logging.getLogger(__name__)

SUFFIX = ".request.json"


def keep_words(song: SongAttempt, decision: Decision, take: Take | None) -> None:
    """Write them into the folder of the take that a decision is about, where the task keeps them; blocks.

    :param take: the same where it is there already: its words are added only where they are missing.
    :raises OutputError: the store does not take them, and the request is not sent yet.
    """
    if not song.keeps_words:
        return
    submits = decision.step == "submit"
    folder = Folder(f"{song.folders.audio_url}/take-{decision.n}")
    file = (song.request.name or DEFAULT_NAME) + SUFFIX
    if take is not None and not submits:
        folder, file = take.audio_folder, recorded_name(take["intent"]) + SUFFIX
    body = song.request.body
    words = {name: body[name] for name in ("model", *WORDS) if name in body}
    # The fingerprint is the intent's: whose words these are can be told where two copies of a try had different ones.
    content = json.dumps({**words, "fingerprint": song.fingerprint}, ensure_ascii=False, indent=2).encode() + b"\n"
    try:
        if submits:
            # A try that died before its claim may have left others.
            folder.replace(file, content)
        else:
            folder.create(file, content)
    except OSError as exc:
        if not submits:
            # A paid song is not to wait for this.
            log.warning("The words of the song are not kept as %s: %s", folder.url_of(file), exc)
            return
        raise OutputError(
            f"The words of the song cannot be kept as {folder.url_of(file)}: {exc}. Nothing was sent by this try. Mend "
            "the folder, or set keep_request=False."
        ) from exc
