# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Sends a reference track."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.plain import is_mapped, is_plain
from airflow_provider_music.api.purposes import IDS_OF_PURPOSE, purpose_problem
from airflow_provider_music.api.rendered import sources_of
from airflow_provider_music.api.rights import MISSING, rights_required
from airflow_provider_music.compat import MULTIPLE_OUTPUTS, BaseOperator
from airflow_provider_music.exceptions import InvalidRequestError
from airflow_provider_music.lineage.mixin import LineageMixin
from airflow_provider_music.operators.base import check_rights_as_written, for_retry_policy, rights_of

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence


class UploadReferenceOperator(LineageMixin, BaseOperator):
    """Send a reference track to the API and hand its ids on.

    The file is streamed from wherever it lies, and checked before a byte leaves: it exists, is WAV or MP3 by
    its content, is longer than 10 s and at most 10 min. Source: docs.aimlapi.com, music-01, upload.

    :param file: any ``ObjectStoragePath`` or its URL (``s3://conn@bucket/ref.mp3``), or a local path; templated.
    :param purpose: ``song`` (vocals and accompaniment: both ids), ``voice`` (a cappella singing: voice_id) or
        ``instrumental`` (accompaniment: instrumental_id); templated.
    :param conn_id: Airflow connection id; templated.
    :param rights: under which licence or consent the track is used: one line of text or a document's URI. It is
        remembered beside the track's hash, for the disclosure sheets of the songs made from it; templated.
    :param require_rights: refuse to upload without ``rights``, as ``[music] require_rights`` does for all.
    :return: ``voice_id``, ``instrumental_id`` (None where the purpose gives none), ``purpose``, ``file``,
        ``sha256``, ``trace_id``; each also under its own XCom key.
    :raises InvalidRequestError: ``rights`` are required and missing, or can be none; nothing was sent.
    :raises InvalidReferenceError: the file or purpose is not what the API takes; nothing was sent.
    :raises ApiError: the API refused the track.
    """

    template_fields: Sequence[str] = ("file", "purpose", "conn_id", "rights")
    ui_color = "#dcebf5"
    lineage_kind = "upload"

    def __init__(
        self,
        *,
        file: str | os.PathLike[str],
        purpose: str = "song",
        conn_id: str = "music_default",
        rights: str | None = None,
        require_rights: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", MULTIPLE_OUTPUTS)
        super().__init__(**kwargs)
        self.file = file
        self.purpose = purpose
        self.conn_id = conn_id
        self.rights = rights
        self.require_rights = require_rights
        self.rights_source = sources_of(rights)
        check_rights_as_written(self)
        wrong = purpose_problem(purpose) if is_plain(purpose) and not is_mapped(self) else None
        if wrong is not None:
            _refuse_purpose(file, wrong)

    def execute(self, context: Any) -> dict[str, Any]:
        """Check the file and send it."""
        with for_retry_policy(self):
            return self._run_with_lineage(context, lambda: self._upload(context))

    def _upload(self, context: Any) -> dict[str, Any]:
        from airflow_provider_music.api import endpoints
        from airflow_provider_music.api.secrecy import masked
        from airflow_provider_music.audio.reference import open_reference
        from airflow_provider_music.hooks.music import MusicHook
        from airflow_provider_music.record.references import remember

        rights = rights_of(self, context)
        if rights is None and rights_required(self.require_rights):
            raise InvalidRequestError(MISSING, f"The task {self.task_id}")
        with open_reference(self.file, self.purpose) as reference:
            client = MusicHook(self.conn_id).get_conn()
            rights = rights and masked(rights, client.settings.api_key)
            facts = reference.facts
            self.log.info(
                "Sending %s: %s, %.1f s, %d bytes, as %s",
                self.file,
                facts.format,
                (facts.duration_ms or 0) / 1000,
                facts.size_bytes,
                self.purpose,
            )
            ids = client.call(
                endpoints.upload(reference.file, reference.filename, reference.content_type, self.purpose)
            )
            sha256 = reference.file.hexdigest()
        _check_ids(self.purpose, ids)
        named = (ids.voice_id, ids.instrumental_id)
        remember(named, purpose=self.purpose, file=str(self.file), sha256=sha256, rights=rights)
        self.log.info("Uploaded: voice_id %s, instrumental_id %s", ids.voice_id, ids.instrumental_id)
        return {
            "voice_id": ids.voice_id,
            "instrumental_id": ids.instrumental_id,
            "purpose": self.purpose,
            "file": str(self.file),
            "sha256": sha256,
            "trace_id": ids.trace_id,
        }


def _refuse_purpose(file: Any, wrong: str) -> None:
    from airflow_provider_music.exceptions import InvalidReferenceError

    raise InvalidReferenceError(wrong, f"The reference {str(file)!r:.200}")


def _check_ids(purpose: str, ids: Any) -> None:
    from airflow_provider_music.exceptions import ApiError

    missing = [name for name in IDS_OF_PURPOSE[purpose] if getattr(ids, name) is None]
    if missing:
        raise ApiError(
            f"The upload as {purpose!r} was answered without {' and '.join(missing)}; a retry sends it again."
        )
