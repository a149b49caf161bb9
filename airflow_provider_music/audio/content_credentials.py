# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Content Credentials (C2PA) of a song's file, by c2pa-python: signed into a copy, and read. Extra ``c2pa``.

Nothing is fetched that a file points to, and no word of a key is in an error. All calls block.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_music.api.secrecy import strip_traceback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

INSTALL = "pip install 'airflow-provider-music[c2pa]'"
#: The formats that c2pa-rs writes.
FORMATS = ("mp3", "wav", "flac", "m4a")
ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
#: The library holds a WAV three times in memory while it signs, other files twice, and twice while it reads.
MAX_BYTES = 2**28
TOO_LARGE = f"its file is larger than {MAX_BYTES >> 20} MiB, and c2pa-python would hold it in memory"
#: A key's line that is shorter is no secret to look for.
_LEAST_SECRET = 12
#: The library would else fetch a manifest that a file points to, from anywhere.
_OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
_PARENT = "xmp:iid:as-sent"


class CannotSignError(Exception):
    """The file cannot be signed; says why, without a word of the key."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs.

    :param certificates: the chain in PEM, the signer's own first.
    :param algorithm: one of :data:`ALGORITHMS`.
    :param private_key: in PEM, or
    :param sign: what returns the signature of some bytes, where the key is elsewhere.
    :param tsa_url: of a time-stamping service; a network call for each signature.
    """

    certificates: str
    algorithm: str
    private_key: str | None = field(default=None, repr=False)
    sign: Callable[[bytes], bytes] | None = field(default=None, repr=False)
    tsa_url: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """The Content Credentials that a file holds.

    :param problems: codes of C2PA, as ``assertion.dataHash.mismatch``; none where they are valid. A signer whom no
        trust list names is no problem: none is asked.
    :param issuer: who issued the signer's certificate, and :param name: the signer's name in it.
    :param assertions: of the active manifest, by their labels.
    :param unchecked: why they cannot be checked here.
    """

    problems: tuple[str, ...] = ()
    issuer: str | None = None
    name: str | None = None
    assertions: Mapping[str, Any] = field(default_factory=dict)
    unchecked: str | None = None


def is_installed() -> bool:
    """Whether c2pa-python is here."""
    return importlib.util.find_spec("c2pa") is not None


def sign(
    source: IO[bytes],
    target: IO[bytes],
    audio_format: str,
    manifest: Mapping[str, Any],
    signer: Signer,
    *,
    parent: bool,
) -> None:
    """Write ``source`` with a signed manifest into ``target``.

    :param manifest: as c2pa-python takes it: ``claim_generator_info``, ``title``, ``assertions``; the first assertion's
        first action is what was done.
    :param target: open for reading and writing.
    :param parent: whether the manifest that the source holds becomes this one's ingredient.
    :raises CannotSignError: it cannot be signed.
    :raises ImportError: c2pa-python is not installed.
    """
    import c2pa

    failed: list[BaseException] = []
    try:
        with (
            _signer(signer, failed) as made,
            _offline() as context,
            c2pa.Builder(dict(manifest), context=context) as one,
        ):
            if parent:
                source.seek(0)
                ingredient = {"title": "As sent", "relationship": "parentOf", "instance_id": _PARENT}
                one.add_ingredient(json.dumps(ingredient), audio_format, source)
            source.seek(0)
            one.sign(made, audio_format, source, target)
    except (c2pa.C2paError, ValueError, TypeError, OSError) as exc:
        cause = failed[0] if failed else exc
        words = _without_secrets(str(cause), signer)
        strip_traceback(exc)
    else:
        return
    raise CannotSignError(words)


def try_signer(signer: Signer) -> None:
    """Sign a file of nothing, without a time stamp: whether certificate, key and algorithm fit, now.

    :raises CannotSignError: they do not.
    :raises ImportError: c2pa-python is not installed.
    """
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    body = b"WAVE" + struct.pack("<4sI", b"fmt ", 16) + form + struct.pack("<4sI", b"data", 2) + b"\0\0"
    source = io.BytesIO(struct.pack("<4sI", b"RIFF", len(body)) + body)
    without_time = Signer(signer.certificates, signer.algorithm, signer.private_key, signer.sign)
    created = {"action": "c2pa.created", "digitalSourceType": "http://c2pa.org/digitalsourcetype/empty"}
    manifest = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]}
    sign(source, io.BytesIO(), "wav", manifest, without_time, parent=False)


def opened() -> dict[str, Any]:
    """Return the action of a manifest whose ingredient is what the file held."""
    return {"action": "c2pa.opened", "parameters": {"ingredientIds": [_PARENT]}}


def read(file: IO[bytes], audio_format: str) -> Credentials | None:
    """Return the Content Credentials of a file; None where it holds none that can be read.

    :raises ImportError: c2pa-python is not installed.
    :raises OSError: the file's store does not answer.
    """
    import c2pa

    if file.seek(0, io.SEEK_END) > MAX_BYTES:
        return Credentials(unchecked=TOO_LARGE)
    source = _Noted(file)
    try:
        with _offline() as context, c2pa.Reader(audio_format, source, context=context) as reader:
            found = json.loads(reader.json())
    except (c2pa.C2paError, ValueError) as exc:
        if source.error is not None:
            raise source.error from None
        words = str(exc)
        if words.startswith("ManifestNotFound"):
            return None
        if words.startswith("Remote"):
            return Credentials(unchecked="they lie elsewhere, and nothing is fetched that a file points to")
        if words.startswith("NotSupported"):
            return Credentials(unchecked=f"c2pa-python reads no {audio_format} files")
        return Credentials((f"cannot be read: {words:.200}",))
    active = found.get("manifests", {}).get(found.get("active_manifest")) or {}
    signature = active.get("signature_info") or {}
    problems = (str(status.get("code")) for status in found.get("validation_status") or ())
    return Credentials(
        tuple(dict.fromkeys(code for code in problems if code != "signingCredential.untrusted")),
        signature.get("issuer"),
        signature.get("common_name"),
        {str(each.get("label")): each.get("data") for each in active.get("assertions") or ()},
    )


class _Noted(io.RawIOBase):
    """A file that remembers what its store raised: the library tells all errors as one."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.error: Exception | None = None
        file.seek(0)

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except Exception as exc:
            self.error = exc
            raise
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: Any) -> int:
        raise io.UnsupportedOperation(f"{len(data)} bytes are not written: the file is read only")

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


@contextlib.contextmanager
def _offline() -> Iterator[Any]:
    import c2pa

    with c2pa.Context(c2pa.Settings.from_dict(_OFFLINE)) as context:
        yield context


@contextlib.contextmanager
def _signer(signer: Signer, failed: list[BaseException]) -> Iterator[Any]:
    import c2pa

    call = signer.sign
    if call is None:
        info = c2pa.C2paSignerInfo(
            signer.algorithm.encode(),
            signer.certificates.encode(),
            (signer.private_key or "").encode(),
            signer.tsa_url.encode() if signer.tsa_url else None,
        )
        with c2pa.Signer.from_info(info) as made:
            yield made
        return

    def answer(data: bytes) -> bytes:
        try:
            return call(data)
        except Exception as exc:  # noqa: BLE001 - the library logs it and tells of none
            failed.append(exc)
            return b""

    algorithm = c2pa.C2paSigningAlg[signer.algorithm.upper()]
    with c2pa.Signer.from_callback(answer, algorithm, signer.certificates, signer.tsa_url) as made:
        yield made


def _without_secrets(words: str, signer: Signer) -> str:
    for line in (signer.private_key or "").split():
        if len(line) >= _LEAST_SECRET and not line.startswith("-----"):
            words = words.replace(line, "***")
    return words
