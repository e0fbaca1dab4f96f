"""What can be wrong with an answer, as one kind of error."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

import httpx
from pydantic import ValidationError

from serving.client.retries import Policy, Unanswered, asked_to_wait
from serving.problems import FieldError, ProblemDocument


class ServiceError(RuntimeError):
    """The service did not answer as asked; the message is its own where it has one.

    Attributes:
        status: the HTTP status; 0 where the answer could not be unpacked.
        errors: the fields that could not be used.
        retry_after: seconds that the service asks to wait before another try, where it says so.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[FieldError] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.errors, self.retry_after = status, tuple(errors), retry_after


@contextmanager
def service_errors(policy: Policy) -> Iterator[None]:
    """Makes what goes wrong between the first try and the last answer a `ServiceError`."""
    try:
        yield
    except Unanswered as last:
        raise refusal(last.response, policy) from None
    except httpx.DecodingError as error:
        raise ServiceError(
            0, f"The answer of {error.request.url} cannot be unpacked: {error}"
        ) from error


def refusal(response: httpx.Response, policy: Policy | None = None) -> ServiceError:
    """The error that an unsuccessful answer describes.

    Args:
        response: of the service, or of what stands before it.
        policy: which allowed no further try.
    """
    status, wait = response.status_code, asked_to_wait(response)
    try:
        problem = ProblemDocument.model_validate_json(response.content)
        detail, errors = problem.detail, problem.errors
    except ValidationError:
        detail, errors = f"{status} {response.reason_phrase}. {whose(response)}", []
    if policy is not None and wait is not None:
        detail = (
            f"{detail} It asks to wait {wait:g} s for another try; this client makes "
            f"{policy.attempts} tries and waits {policy.patience:g} s in all (attempts, patience)."
        )
    return ServiceError(status, detail, errors, wait)


def unsent(field: str, message: str) -> ServiceError:
    """What the service would say of something that cannot be sent to it."""
    errors = [FieldError(field=field, message=message)]
    return ServiceError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {message}", errors)


def whose(response: httpx.Response) -> str:
    """Where an answer that is not the service's came from, and what to look at."""
    kind = response.headers.get("Content-Type", "of no stated type")
    place = response.url.copy_with(raw_path=b"/", fragment=None)
    return f"It is {kind}: look whether {place} is the service and no proxy answers for it."
