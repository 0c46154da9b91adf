"""A declared channel that can't speak as things are; what it has to tell waits, and is shown with the reason."""

from shopkart_pipeline.domain.notification import Notification
from shopkart_pipeline.ports.notifier import NotDelivered, Notifier


class SilentChannel(Notifier):
    """Stands where the channel would, until what is missing is given."""

    def __init__(self, name: str, reason: str) -> None:
        self._name, self._reason = name, reason

    def send(self, notification: Notification, remote_id: str | None, *, maybe_sent: bool) -> str:
        raise NotDelivered(f"Channel {self._name} can't speak: {self._reason}.", "Give what is missing.")
