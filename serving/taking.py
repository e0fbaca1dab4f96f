"""From an event as an app sends it to one that the log takes: the one way, whoever brings it."""

from collections.abc import Callable

from crossmodal.event_log import LoggedEvent
from crossmodal.event_rules import require_fitting
from crossmodal.instants import event_instant
from serving.schemas import Event


class EventFaultError(ValueError):
    """An event cannot be taken.

    Args:
        field: that is at fault.
        message: what is wrong, and the way out.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def logged_event(event: Event, pseudonym: Callable[[str], str]) -> LoggedEvent:
    """The event as the log keeps it; that its item is in the catalogue is the caller's to see.

    Args:
        event: that has the form of one.
        pseudonym: names a user by the app's own id.

    Raises:
        EventFaultError: its value does not go with its type, or its time cannot be.
    """
    try:
        require_fitting(event.type, event.value)
    except ValueError as error:
        raise EventFaultError("value", str(error)) from error
    try:
        instant = event_instant(event.timestamp)
    except ValueError as error:
        raise EventFaultError("timestamp", str(error)) from error
    return LoggedEvent(
        event.event_id,
        pseudonym(event.user_id),
        event.item_id,
        event.type,
        event.value,
        event.text,
        event.request_id,
        instant,
        event.rank,
    )
