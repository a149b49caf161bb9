# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A request of each model, with the fields that it takes: an editor completes them, and mypy checks them.

Each is a dict of request fields with the model's name in it, and goes wherever such a dict goes:
``GenerateMusicOperator(request=...)``, an element of ``GenerateMusicBatchOperator(requests=[...])``, the result of a
``@task.music`` function. Templates and XComs may stand for values; limits are checked with the catalogue, as ever.

Made from ``api/models.py`` by `make docs`; do not edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Required, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from airflow_provider_music.compat import XComArg

    Text: TypeAlias = str | XComArg
    #: A template is text.
    Number: TypeAlias = int | str | XComArg
    Flag: TypeAlias = bool | str | XComArg


class MusicRequest(dict[str, Any]):
    """The request of one song; a dict, so that Airflow renders, stores and hands it on as one."""

    #: The model's name.
    model: ClassVar[str]

    def __init__(self, **fields: Any) -> None:
        given = {name: value for name, value in fields.items() if value is not None}
        super().__init__({"model": self.model, **given})


class AudioSetting(TypedDict, total=False):
    """How the song is encoded: ``sample_rate`` in Hz, ``bitrate`` in bit/s, ``format`` mp3, wav or pcm."""

    sample_rate: Literal[16000, 24000, 32000, 44100] | XComArg
    """Hz."""
    bitrate: Literal[32000, 64000, 128000, 256000] | XComArg
    """bit/s."""
    format: Literal["mp3", "wav", "pcm"] | XComArg
    """Of the file."""


class FullAudioSetting(TypedDict, total=False):
    """The same, where ``format`` is required."""

    sample_rate: Literal[16000, 24000, 32000, 44100] | XComArg
    """Hz."""
    bitrate: Literal[32000, 64000, 128000, 256000] | XComArg
    """bit/s."""
    format: Required[Literal["mp3", "wav", "pcm"] | XComArg]
    """Of the file."""


class MiniMaxMusic01(MusicRequest):
    """MiniMax music-01: sings new lyrics in the manner of an uploaded reference track.

    A song usually takes 55 s to make, and lasts 60 s at most. Source of fields and limits: aimlapi/api-docs
    MiniMax/music-01.json; the either-or rule is in its prose.

    :param lyrics: words to sing; ``##`` at start and end of music-01's lyrics adds accompaniment; text of 1 to 600
        characters; required.
    :param refer_voice: ``voice_id`` from :class:`UploadReferenceOperator`; text of at least 1 character.
    :param refer_instrumental: ``instrumental_id`` from :class:`UploadReferenceOperator`; text of at least 1 character.
    :param audio_setting: ``{"sample_rate": Hz, "bitrate": bit/s, "format": "mp3" | "wav" | "pcm"}``.
    :param extra_body: merged into the request untouched, for fields that are newer than this package; ``model`` and
        ``stream`` are refused.
    :param name: of the song's files, without an ending, such as ``"{{ ds }}-jingle"``; ``song`` where none is given.
    :param rights: under which licence or consent the song is made, in place of the task's own ``rights``; it is not
        sent.
    Give at least one of refer_voice or refer_instrumental.
    """

    model = "music-01"

    def __init__(
        self,
        *,
        lyrics: Text,
        refer_voice: Text | None = None,
        refer_instrumental: Text | None = None,
        audio_setting: FullAudioSetting | XComArg | None = None,
        extra_body: Mapping[str, Any] | None = None,
        name: Text | None = None,
        rights: Text | None = None,
    ) -> None:
        super().__init__(
            lyrics=lyrics,
            refer_voice=refer_voice,
            refer_instrumental=refer_instrumental,
            audio_setting=audio_setting,
            extra_body=extra_body,
            name=name,
            rights=rights,
        )


class MiniMaxMusic(MusicRequest):
    """MiniMax's first queued model: sings its prompt in the manner of a reference track.

    A song usually takes 55 s to make, and lasts 60 s at most. Source of fields and limits: aimlapi/api-docs
    MiniMax/minimax-music.json, live OpenAPI.

    :param prompt: words to sing; text of 1 to 600 characters; required.
    :param reference_audio_url: URL of a reference track, for models that fetch it themselves; an http or https URL of
        the track, which the API can fetch; required.
    :param extra_body: merged into the request untouched, for fields that are newer than this package; ``model`` and
        ``stream`` are refused.
    :param name: of the song's files, without an ending, such as ``"{{ ds }}-jingle"``; ``song`` where none is given.
    :param rights: under which licence or consent the song is made, in place of the task's own ``rights``; it is not
        sent.
    """

    model = "minimax-music"

    def __init__(
        self,
        *,
        prompt: Text,
        reference_audio_url: Text,
        extra_body: Mapping[str, Any] | None = None,
        name: Text | None = None,
        rights: Text | None = None,
    ) -> None:
        super().__init__(
            prompt=prompt,
            reference_audio_url=reference_audio_url,
            extra_body=extra_body,
            name=name,
            rights=rights,
        )


class MiniMaxMusic15(MusicRequest):
    """MiniMax Music 1.5: a song from a description and lyrics.

    A song usually takes 85 s to make, and lasts 240 s at most. Source of fields and limits: aimlapi/api-docs
    MiniMax/music-1.5.json, live OpenAPI.

    :param prompt: style and mood in words; text of 10 to 300 characters; required.
    :param lyrics: words to sing; text of 10 to 3000 characters; required.
    :param audio_setting: ``{"sample_rate": Hz, "bitrate": bit/s, "format": "mp3" | "wav" | "pcm"}``.
    :param extra_body: merged into the request untouched, for fields that are newer than this package; ``model`` and
        ``stream`` are refused.
    :param name: of the song's files, without an ending, such as ``"{{ ds }}-jingle"``; ``song`` where none is given.
    :param rights: under which licence or consent the song is made, in place of the task's own ``rights``; it is not
        sent.
    """

    model = "minimax/music-1.5"

    def __init__(
        self,
        *,
        prompt: Text,
        lyrics: Text,
        audio_setting: AudioSetting | XComArg | None = None,
        extra_body: Mapping[str, Any] | None = None,
        name: Text | None = None,
        rights: Text | None = None,
    ) -> None:
        super().__init__(
            prompt=prompt,
            lyrics=lyrics,
            audio_setting=audio_setting,
            extra_body=extra_body,
            name=name,
            rights=rights,
        )


class MiniMaxMusic20(MusicRequest):
    """MiniMax Music 2.0: a song from a description and lyrics.

    A song usually takes 75 s to make, and lasts 240 s at most. Source of fields and limits: aimlapi/api-docs
    MiniMax/music-2.0.json, live OpenAPI.

    :param prompt: style and mood in words; text of 10 to 2000 characters; required.
    :param lyrics: words to sing; text of 10 to 3000 characters; required.
    :param audio_setting: ``{"sample_rate": Hz, "bitrate": bit/s, "format": "mp3" | "wav" | "pcm"}``.
    :param extra_body: merged into the request untouched, for fields that are newer than this package; ``model`` and
        ``stream`` are refused.
    :param name: of the song's files, without an ending, such as ``"{{ ds }}-jingle"``; ``song`` where none is given.
    :param rights: under which licence or consent the song is made, in place of the task's own ``rights``; it is not
        sent.
    """

    model = "minimax/music-2.0"

    def __init__(
        self,
        *,
        prompt: Text,
        lyrics: Text,
        audio_setting: AudioSetting | XComArg | None = None,
        extra_body: Mapping[str, Any] | None = None,
        name: Text | None = None,
        rights: Text | None = None,
    ) -> None:
        super().__init__(
            prompt=prompt,
            lyrics=lyrics,
            audio_setting=audio_setting,
            extra_body=extra_body,
            name=name,
            rights=rights,
        )


class MiniMaxMusic26(MusicRequest):
    """MiniMax Music 2.6: a song or an instrumental; can write its own lyrics.

    A song usually takes 90 s to make. Source of fields and limits: aimlapi/api-docs MiniMax/music-2.6.json, live
    OpenAPI.

    :param prompt: style and mood in words; text of at most 2000 characters.
    :param lyrics: words to sing; text of at most 3000 characters.
    :param lyrics_optimizer: let the model write or mend the lyrics.
    :param is_instrumental: no vocals.
    :param audio_setting: ``{"sample_rate": Hz, "bitrate": bit/s, "format": "mp3" | "wav" | "pcm"}``.
    :param extra_body: merged into the request untouched, for fields that are newer than this package; ``model`` and
        ``stream`` are refused.
    :param name: of the song's files, without an ending, such as ``"{{ ds }}-jingle"``; ``song`` where none is given.
    :param rights: under which licence or consent the song is made, in place of the task's own ``rights``; it is not
        sent.
    """

    model = "minimax/music-2.6"

    def __init__(
        self,
        *,
        prompt: Text | None = None,
        lyrics: Text | None = None,
        lyrics_optimizer: Flag | None = None,
        is_instrumental: Flag | None = None,
        audio_setting: AudioSetting | XComArg | None = None,
        extra_body: Mapping[str, Any] | None = None,
        name: Text | None = None,
        rights: Text | None = None,
    ) -> None:
        super().__init__(
            prompt=prompt,
            lyrics=lyrics,
            lyrics_optimizer=lyrics_optimizer,
            is_instrumental=is_instrumental,
            audio_setting=audio_setting,
            extra_body=extra_body,
            name=name,
            rights=rights,
        )


class MiniMaxMusicCover(MusicRequest):
    """MiniMax Music Cover: a known track in another style.

    A song usually takes 90 s to make. Source of fields and limits: aimlapi/api-docs MiniMax/music-cover.json;
    cover_feature_id: live OpenAPI.

    :param prompt: style and mood in words; text of 10 to 2000 characters; required.
    :param lyrics: words to sing; text of 10 to 3000 characters.
    :param reference_audio_url: URL of a reference track, for models that fetch it themselves; an http or https URL of
        the track, which the API can fetch, or a data URI of its bytes (data:audio/mpeg;base64,<bytes>).
    :param cover_feature_id: of a preprocessed reference, valid 24 h; text of at least 1 character.
    :param audio_setting: ``{"sample_rate": Hz, "bitrate": bit/s, "format": "mp3" | "wav" | "pcm"}``.
    :param extra_body: merged into the request untouched, for fields that are newer than this package; ``model`` and
        ``stream`` are refused.
    :param name: of the song's files, without an ending, such as ``"{{ ds }}-jingle"``; ``song`` where none is given.
    :param rights: under which licence or consent the song is made, in place of the task's own ``rights``; it is not
        sent.
    Give one of reference_audio_url or cover_feature_id.
    Give lyrics with cover_feature_id.
    """

    model = "minimax/music-cover"

    def __init__(
        self,
        *,
        prompt: Text,
        lyrics: Text | None = None,
        reference_audio_url: Text | None = None,
        cover_feature_id: Text | None = None,
        audio_setting: AudioSetting | XComArg | None = None,
        extra_body: Mapping[str, Any] | None = None,
        name: Text | None = None,
        rights: Text | None = None,
    ) -> None:
        super().__init__(
            prompt=prompt,
            lyrics=lyrics,
            reference_audio_url=reference_audio_url,
            cover_feature_id=cover_feature_id,
            audio_setting=audio_setting,
            extra_body=extra_body,
            name=name,
            rights=rights,
        )


class Lyria2(MusicRequest):
    """Google Lyria 2: an instrumental of about half a minute.

    A song usually takes 35 s to make. Source of fields and limits: aimlapi/api-docs Google/Lyria-2.json; alias: live
    OpenAPI.

    :param prompt: style and mood in words; text of 1 to 600 characters; required.
    :param negative_prompt: what to leave out.
    :param seed: of the model's random numbers, 0 or more; a whole number, 0 or more.
    :param extra_body: merged into the request untouched, for fields that are newer than this package; ``model`` and
        ``stream`` are refused.
    :param name: of the song's files, without an ending, such as ``"{{ ds }}-jingle"``; ``song`` where none is given.
    :param rights: under which licence or consent the song is made, in place of the task's own ``rights``; it is not
        sent.
    """

    model = "google/lyria2"

    def __init__(
        self,
        *,
        prompt: Text,
        negative_prompt: Text | None = None,
        seed: Number | None = None,
        extra_body: Mapping[str, Any] | None = None,
        name: Text | None = None,
        rights: Text | None = None,
    ) -> None:
        super().__init__(
            prompt=prompt,
            negative_prompt=negative_prompt,
            seed=seed,
            extra_body=extra_body,
            name=name,
            rights=rights,
        )


class StableAudio(MusicRequest):
    """Stability AI Stable Audio: music or sounds of up to 47 seconds.

    A song usually takes 40 s to make, and lasts 47 s at most. Source of fields and limits: aimlapi/api-docs Stability-
    AI/stable-audio.json, live OpenAPI.

    :param prompt: style and mood in words; text of at least 1 character; required.
    :param seconds_start: where the song starts, seconds; a whole number, 1 to 47.
    :param seconds_total: length, seconds; a whole number, 1 to 47.
    :param steps: denoising steps; a whole number, 1 to 1000.
    :param extra_body: merged into the request untouched, for fields that are newer than this package; ``model`` and
        ``stream`` are refused.
    :param name: of the song's files, without an ending, such as ``"{{ ds }}-jingle"``; ``song`` where none is given.
    :param rights: under which licence or consent the song is made, in place of the task's own ``rights``; it is not
        sent.
    """

    model = "stable-audio"

    def __init__(
        self,
        *,
        prompt: Text,
        seconds_start: Number | None = None,
        seconds_total: Number | None = None,
        steps: Number | None = None,
        extra_body: Mapping[str, Any] | None = None,
        name: Text | None = None,
        rights: Text | None = None,
    ) -> None:
        super().__init__(
            prompt=prompt,
            seconds_start=seconds_start,
            seconds_total=seconds_total,
            steps=steps,
            extra_body=extra_body,
            name=name,
            rights=rights,
        )


class ElevenMusic(MusicRequest):
    """ElevenLabs Eleven Music: 10 seconds to 5 minutes; the length "may not always be respected".

    A song usually takes 25 s to make, and lasts 300 s at most. Source of fields and limits: aimlapi/api-docs
    elevenlabs/eleven_music.json, live OpenAPI.

    :param prompt: style and mood in words; text of 1 to 2000 characters; required.
    :param music_length_ms: length, milliseconds; a whole number, 10000 to 300000.
    :param extra_body: merged into the request untouched, for fields that are newer than this package; ``model`` and
        ``stream`` are refused.
    :param name: of the song's files, without an ending, such as ``"{{ ds }}-jingle"``; ``song`` where none is given.
    :param rights: under which licence or consent the song is made, in place of the task's own ``rights``; it is not
        sent.
    """

    model = "elevenlabs/eleven_music"

    def __init__(
        self,
        *,
        prompt: Text,
        music_length_ms: Number | None = None,
        extra_body: Mapping[str, Any] | None = None,
        name: Text | None = None,
        rights: Text | None = None,
    ) -> None:
        super().__init__(
            prompt=prompt,
            music_length_ms=music_length_ms,
            extra_body=extra_body,
            name=name,
            rights=rights,
        )


class DummyAudio(MusicRequest):
    """The vendor's own stub: undocumented, price unknown. Its ``test`` object goes into extra_body.

    A song usually takes 5 s to make, and lasts 10 s at most. Source of fields and limits: live OpenAPI.

    :param prompt: style and mood in words; text of at least 1 character; required.
    :param duration: length, seconds; a whole number, 1 to 10.
    :param extra_body: merged into the request untouched, for fields that are newer than this package; ``model`` and
        ``stream`` are refused.
    :param name: of the song's files, without an ending, such as ``"{{ ds }}-jingle"``; ``song`` where none is given.
    :param rights: under which licence or consent the song is made, in place of the task's own ``rights``; it is not
        sent.
    """

    model = "test/dummy-audio"

    def __init__(
        self,
        *,
        prompt: Text,
        duration: Number | None = None,
        extra_body: Mapping[str, Any] | None = None,
        name: Text | None = None,
        rights: Text | None = None,
    ) -> None:
        super().__init__(
            prompt=prompt,
            duration=duration,
            extra_body=extra_body,
            name=name,
            rights=rights,
        )
