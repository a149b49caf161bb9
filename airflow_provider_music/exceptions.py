# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Every error of this package, in one tree.

    AirflowException
    └── MusicError                         base of all; Airflow's retries apply unless a class says "ends the task"
        ├── InvalidRequestError            ends the task: nothing was sent, the DAG has to change
        │   ├── InvalidReferenceError      ends the task: the reference file is not what the API takes
        │   └── UnknownBudgetError         ends the task: no budget of that name is defined; nothing was sent
        ├── ReferenceUnavailableError      retry can help: the store of the reference does not answer; nothing was sent
        ├── CredentialsError               ends the task: no connection of type music, no key, or no usable base URL
        ├── OverBudgetError                ends the task: it could cost more than max_usd; nothing was sent
        ├── BudgetSpentError               retry can help: a shared budget has no room, and the retry policy decides
        │   └── BudgetExceededError        ends the task: the same, of a task without a retry policy; nothing was sent
        ├── UnexplainedBillError           ends the task: an audit found cents that no record explains, or missed rows
        ├── OutputError                    retry can help: the output folder cannot be written; nothing was sent
        │   ├── InvalidFolderError         ends the task: relative, without a bucket, or none; nothing was sent
        │   ├── StorageNotSharedError      ends the task: worker and triggerer do not see one disk; nothing was sent
        │   ├── UnsafeStoreError           ends the task: the store creates one object twice, so no claim holds in it
        │   └── ProvenanceError            retry can help: where a song came from cannot be attached; it is in place
        │       ├── ManifestError          retry can help: the file beside the song is no manifest; move it away
        │       ├── SigningError           retry can help: Content Credentials cannot be signed; says what is in place
        │       └── NotTaggableError       retry can help: caught before a task sees it; the manifest says the reason
        ├── ApiError                       the API answered, and said no; what failed is not billed
        │   ├── AuthenticationError        ends the task: 401, or the account may not use this
        │   ├── NoCreditsError             retry can help: the account is empty, and the task's retry policy decides
        │   │   └── OutOfCreditsError      ends the task: the same, of a task without a retry policy
        │   ├── RequestRejectedError       ends the task: 400 or 422, or base_resp says that the input is at fault
        │   ├── ModelUnavailableError      ends the task: 404, the model is withdrawn; names what replaces it
        │   ├── UnknownGenerationError     ends the task: 404 for a poll, the API knows no such id for this key
        │   ├── RateLimitedError           retry can help: 429, or base_resp 1002, 1039, 1041, 2045
        │   └── ServerFailureError         retry can help: 500 in the API's own envelope, or base_resp 1000, 1024, 1033
        ├── ApiUnreachableError            retry can help: the request never left, or a free call got no answer
        │   ├── HostUnknownError           retry can help: the base URL's host has no address; nothing was sent
        │   └── LinkExpiredError           retry can help: the song's URL has expired; a poll names a fresh one
        ├── UnknownOutcomeError            ends the task: a paid request may or may not have been billed
        ├── ResubmissionLostError          retry can help: on_unknown="resubmit", and this try's responses are lost
        ├── GenerationFailedError          retry can help: the API says that the generation failed; not billed
        ├── GenerationTimeoutError         retry can help: past the deadline; the generation keeps running and is billed
        │   └── GenerationSensorTimeout    ends the task: the same from the sensor, as Airflow's sensors raise it
        ├── QualityError                   ends the task: the song breaks a limit of quality="fail"; paid, in place
        ├── PartialBatchError              retry can help: songs of a batch are missing; those in storage stay there
        │   └── HopelessBatchError         ends the task: another try would bring none of the missing songs
        ├── AudioError                     retry can help: what came is not the audio requested; it is downloaded again
        │   └── AudioHostError             retry can help: the song's host is not one that this connection allows
        └── RecordError                    retry can help: the record cannot be read or written; nothing was sent
            ├── ChangedRequestError        ends the task: the request changed while its generation is open
            └── AmbiguousRunError          ends the task: delivered to this try or to another run, nobody can tell

A class that ends the task is also Airflow's ``AirflowFailException``: the task fails at once and its
retries stay unused, because another try would get the same response or could pay twice. Airflow asks no retry policy
about it, so what a policy may decide on is raised as another class by a task that has one (:meth:`for_policy`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_music.compat import (
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


class ReferenceUnavailableError(MusicError):
    """The store of the reference track does not answer. Nothing was sent; a retry reads the track again."""


class UnknownBudgetError(InvalidRequestError):
    """No budget of that name is defined, or its definition cannot be read. Nothing was sent."""


class CredentialsError(MusicError, AirflowFailException):
    """The connection is missing, of another type, has no key, or no usable base URL. Nothing was sent."""


class OverBudgetError(MusicError, AirflowFailException):
    """The request could cost more than ``max_usd``, or it is unpriced. Nothing was sent."""


class BudgetSpentError(MusicError):
    """A shared budget has no room for the request. Nothing was sent.

    This class itself is raised by a task that has a retry policy: the policy decides when the task runs again.

    :param retry_after: seconds until the budget's period ends.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BudgetExceededError(BudgetSpentError, AirflowFailException):
    """The same in a task without a retry policy: a clear in the next period, or with a larger budget, submits."""

    def for_policy(self) -> BudgetSpentError:
        """Return the form of it that Airflow asks a retry policy about."""
        return BudgetSpentError(str(self), retry_after=self.retry_after)


class UnexplainedBillError(MusicError, AirflowFailException):
    """An audit found cents on the bill that no record explains, or could not read the whole bill. It sent nothing."""


class OutputError(MusicError):
    """The output folder cannot be written. When it says so before a request, nothing was sent."""


class UnsafeStoreError(OutputError, AirflowFailException):
    """The store lets two processes create the same object, so no claim holds in it. Nothing was sent."""


class InvalidFolderError(OutputError, AirflowFailException):
    """What was given for a folder names none, or another one in each process. Nothing was sent."""


class StorageNotSharedError(OutputError, AirflowFailException):
    """Workers and triggerers do not share the disk that the folder is on. Nothing was sent."""


class ProvenanceError(OutputError):
    """The provenance of a song cannot be attached. The song is in place and stays as it is; a retry can help."""


class ManifestError(ProvenanceError):
    """A manifest cannot be read, or is none."""


class SigningError(ProvenanceError):
    """Content Credentials cannot be signed with this connection now: certificate, key, service or library."""


class NotTaggableError(ProvenanceError):
    """The file cannot take tags without a change to what it holds already; it is left as it is."""


class ApiError(MusicError):
    """The API answered, and said no. Failed requests are not billed.

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


class NoCreditsError(ApiError):
    """The account has no credits left, or the key's own spending limit is reached. Not billed.

    This class itself is raised by a task that has a retry policy: the policy decides when the task runs again.
    """


class OutOfCreditsError(NoCreditsError, AirflowFailException):
    """The same in a task without a retry policy: a clear after a top-up submits again."""

    def for_policy(self) -> NoCreditsError:
        """Return the form of it that Airflow asks a retry policy about."""
        return NoCreditsError(
            str(self), status=self.status, code=self.code, request_id=self.request_id, retry_after=self.retry_after
        )


class RequestRejectedError(ApiError, AirflowFailException):
    """The API refused the request's content."""


class ModelUnavailableError(ApiError, AirflowFailException):
    """The API does not serve this model (any more)."""


class UnknownGenerationError(ApiError, AirflowFailException):
    """The API knows no generation of this id for this key. Polling costs nothing."""


class RateLimitedError(ApiError):
    """Too many requests; the request was not accepted."""


class ServerFailureError(ApiError):
    """The API, or the model behind it, reports that it failed."""


class ApiUnreachableError(MusicError):
    """The request never left, or a call that costs nothing got no usable answer."""


class HostUnknownError(ApiUnreachableError):
    """The host of the connection's base URL has no address, and never answered in this process. Nothing was sent."""


class LinkExpiredError(ApiUnreachableError):
    """The host does not serve the song under this URL (any more); a fresh poll may name another URL."""


class UnknownOutcomeError(MusicError, AirflowFailException):
    """The response to a paid request is lost, or does not say what happened: it may have been billed.

    It is never submitted again by itself.
    """


class ResubmissionLostError(MusicError):
    """Under ``on_unknown="resubmit"``: the responses of this try are lost too; the next try submits once more."""


class GenerationFailedError(MusicError):
    """The API accepted the request and reports that the generation failed. It is not billed."""


class GenerationTimeoutError(MusicError):
    """The deadline passed before the song was done. The generation keeps running and is billed; a retry resumes it."""


class GenerationSensorTimeout(GenerationTimeoutError, AirflowSensorTimeout):  # noqa: N818 - Airflow's own name
    """The sensor's deadline passed. Airflow does not retry a sensor's timeout."""


class QualityError(MusicError, AirflowFailException):
    """The song breaks a limit of ``quality="fail"``. It is paid, stays where it is, and is not delivered."""


class PartialBatchError(MusicError):
    """Songs of a batch are missing. What is in storage or still running is not submitted again.

    :param only_waits: whether every missing song is one that the API refused for want of credits or for its rate.
    """

    def __init__(self, message: str, *, only_waits: bool = False) -> None:
        super().__init__(message)
        self.only_waits = only_waits


class HopelessBatchError(PartialBatchError, AirflowFailException):
    """Songs of a batch are missing, and another try would bring none of them."""

    def for_policy(self) -> PartialBatchError:
        """Return the form of it that Airflow asks a retry policy about; itself where waiting brings no song."""
        return PartialBatchError(str(self), only_waits=True) if self.only_waits else self


class AudioError(MusicError):
    """The bytes that came are not the audio that was requested; no file has the final name."""


class AudioHostError(AudioError):
    """The song's URL leads to a host that this connection does not allow. A retry polls for the URL again, free."""


class RecordError(MusicError):
    """The record of a song cannot be read or written, so nothing is sent."""


class ChangedRequestError(RecordError, AirflowFailException):
    """The task's request changed while a generation that it submitted earlier is still open."""


class AmbiguousRunError(RecordError, AirflowFailException):
    """A song was delivered, to this try or to another run of the same id; nobody can tell. Nothing was sent."""


def named(name: object, message: str) -> MusicError:
    """Make the error of a class name, as facts and events hold it; an unknown name makes a plain MusicError."""
    found = globals().get(str(name))
    if not (isinstance(found, type) and issubclass(found, MusicError)):
        return MusicError(message)
    error = found(message)
    # InvalidRequestError and its like put a head line before the message, which has one already.
    error.args = (message,)
    return error
