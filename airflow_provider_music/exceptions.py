# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Every error of this package, in one tree.

    AirflowException
    └── MusicError                         base of all; Airflow's retries apply unless a class says "ends the task"
        ├── InvalidRequestError            ends the task: nothing was sent, the DAG has to change
        │   └── InvalidReferenceError      ends the task: the reference file is not what the API takes
        ├── CredentialsError               ends the task: no connection, no key, or a base URL that cannot be used
        ├── OverBudgetError                ends the task: it could cost more than max_usd; nothing was sent
        ├── OutputError                    retry can help: the output folder cannot be written; nothing was sent
        │   └── ProvenanceError            retry can help: where a song came from cannot be attached; it is in place
        │       ├── ManifestError          retry can help: the file beside the song is no manifest; move it away
        │       └── NotTaggableError       retry can help: caught before a task sees it; the manifest says the reason
        ├── ApiError                       the API answered, and said no; what failed is not billed
        │   ├── AuthenticationError        ends the task: 401, or the account may not use this
        │   ├── OutOfCreditsError          ends the task: 403, the account is empty
        │   ├── RequestRejectedError       ends the task: 400 or 422, or base_resp says that the input is at fault
        │   ├── ModelUnavailableError      ends the task: 404, the model is withdrawn; names what replaces it
        │   ├── RateLimitedError           retry can help: 429, or base_resp 1002, 1039, 1041, 2045
        │   └── ServerFailureError         retry can help: 5xx in the API's own envelope, or base_resp 1000, 1024, 1033
        ├── ApiUnreachableError            retry can help: the request never left, or a free call got no answer
        ├── UnknownOutcomeError            ends the task: a paid request may or may not have been billed
        ├── ResubmissionLostError          retry can help: on_unknown="resubmit", and this try's answers are lost
        ├── GenerationFailedError          retry can help: the API says that the generation failed; not billed
        ├── GenerationTimeoutError         retry can help: the deadline passed; the song is still being made and paid
        │   └── GenerationSensorTimeout    the same from the sensor, as Airflow's sensors say it (ends the task)
        ├── PartialBatchError              retry can help: songs of a batch are missing; those that are there are kept
        │   └── HopelessBatchError         ends the task: another try would bring none of the missing songs
        ├── AudioError                     retry can help: what came is not the audio asked for; it is landed again
        │   └── AudioHostError             retry can help: the song lies on a host that is not to be fetched from
        └── RecordError                    retry can help: the record cannot be read or written; nothing was sent
            └── ChangedRequestError        ends the task: the request changed while its song is under way

A class that ends the task is also Airflow's ``AirflowFailException``: the task fails at once and its
retries stay unused, because another try would give the same answer or could pay twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class MusicError(AirflowException):
    """Base of every error that this package raises."""


class InvalidRequestError(MusicError, AirflowFailException):
    """The request cannot be sent as it stands. Nothing was sent and nothing is owed.

    :param problems: one sentence per problem, each naming the field, its value, the limit and the fix.
    :param what: what was being checked, for the first line of the message.
    """

    def __init__(self, problems: Sequence[str] | str, what: str = "The request") -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        count = len(self.problems)
        head = f"{what} has {count} problem{'s' if count > 1 else ''}; nothing was sent:"
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in self.problems)]))


class InvalidReferenceError(InvalidRequestError):
    """The reference track is missing, too short, too long, or not WAV or MP3. Nothing was sent."""


class CredentialsError(MusicError, AirflowFailException):
    """The connection is missing, has no key, or names a base URL that cannot be used. Nothing was sent."""


class OverBudgetError(MusicError, AirflowFailException):
    """What is to be asked for could cost more than ``max_usd``, or nobody knows its price. Nothing was sent."""


class OutputError(MusicError):
    """The output folder cannot be written. When it says so before a request, nothing was sent."""


class ProvenanceError(OutputError):
    """The provenance of a song cannot be attached. The song is in place and stays as it is; a retry can help."""


class ManifestError(ProvenanceError):
    """A manifest cannot be read, or is none."""


class NotTaggableError(ProvenanceError):
    """The file cannot take tags without a change to what it holds already; it is left as it is."""


class ApiError(MusicError):
    """The API answered and said no. Failed requests are not billed.

    :param status: HTTP status, where there was one.
    :param code: ``base_resp.status_code``, where there was one.
    :param request_id: the API's own id of the request (``x-inference-id`` or ``requestId``), for its support.
    :param retry_after: seconds that the API asked to wait, from ``Retry-After``.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after


class AuthenticationError(ApiError, AirflowFailException):
    """The key is wrong, lacks the scope ``model:audio``, or its account is not verified."""


class OutOfCreditsError(ApiError, AirflowFailException):
    """The account has no credits left, or the key's own spending limit is reached."""


class RequestRejectedError(ApiError, AirflowFailException):
    """The API refused the request's content."""


class ModelUnavailableError(ApiError, AirflowFailException):
    """The API does not serve this model (any more)."""


class RateLimitedError(ApiError):
    """Too many requests; the request was not accepted."""


class ServerFailureError(ApiError):
    """The API, or the model behind it, failed and said so."""


class ApiUnreachableError(MusicError):
    """The request never left, or a call that costs nothing got no usable answer."""


class UnknownOutcomeError(MusicError, AirflowFailException):
    """The answer to a paid request is lost: it may have been billed, and is not sent again by itself."""


class ResubmissionLostError(MusicError):
    """Under ``on_unknown="resubmit"``: the answers of this try are lost too; the next try asks once more."""


class GenerationFailedError(MusicError):
    """The API took the request and says that the generation failed. It is not billed."""


class GenerationTimeoutError(MusicError):
    """The deadline passed before the song was done. The API goes on making it, and bills it."""


class GenerationSensorTimeout(GenerationTimeoutError, AirflowSensorTimeout):  # noqa: N818 - Airflow's own name
    """The sensor's deadline passed. Airflow does not retry a sensor's timeout."""


class PartialBatchError(MusicError):
    """Songs of a batch are missing. What is in storage or under way is not asked for again."""


class HopelessBatchError(PartialBatchError, AirflowFailException):
    """Songs of a batch are missing, and another try would bring none of them."""


class AudioError(MusicError):
    """The bytes that came are not the audio that was asked for; nothing was left under the final name."""


class AudioHostError(AudioError):
    """The song's URL leads where this connection may not fetch from. A retry asks for the URL again, not the song."""


class RecordError(MusicError):
    """The record of a song cannot be read or written, so nothing is sent."""


class ChangedRequestError(RecordError, AirflowFailException):
    """The task's request changed while a song asked for earlier is still under way."""


def named(name: object, message: str) -> MusicError:
    """Make the error of that class name, as facts and events keep it; an unknown name is a plain MusicError."""
    found = globals().get(str(name))
    if not (isinstance(found, type) and issubclass(found, MusicError)):
        return MusicError(message)
    error = found(message)
    # InvalidRequestError and its like put a head line before the message, which has one already.
    error.args = (message,)
    return error
