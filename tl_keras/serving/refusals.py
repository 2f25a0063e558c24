"""Answers that say no: with a status, a reason, and when to come back."""

BAD, FORBIDDEN, MISSING, TOO_LARGE, BUSY = 400, 403, 404, 413, 503
# In seconds; what waits is answered in a moment.
RETRY_AFTER = 1


class Refusal(Exception):
    """A request that is not answered.

    Attributes:
        status: Of HTTP.
        reason: One line, for whoever asked.
    """

    def __init__(self, status: int, reason: str) -> None:
        """Refuses with one of the statuses above, and one line."""
        super().__init__(reason)
        self.status, self.reason = status, reason

    @property
    def headers(self) -> dict[str, str]:
        """What goes beside the reason."""
        return {"Retry-After": str(RETRY_AFTER)} if self.status == BUSY else {}


def bad(reason: str) -> Refusal:
    """Returns a refusal of what was asked for."""
    return Refusal(BAD, reason)


def busy(reason: str) -> Refusal:
    """Returns a refusal that holds for the moment."""
    return Refusal(BUSY, reason)
