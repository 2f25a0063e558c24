"""The errors that a user sees as one line: what, which value, and the cure."""


class TlKerasError(Exception):
    """Base of every error that the user can cause and cure.

    The command line prints its message without a traceback and ends with
    `exit_code`.
    """

    exit_code = 1


class UsageError(TlKerasError, ValueError):
    """A wrong name, value or path in what the user asked for."""

    exit_code = 2


class DataError(TlKerasError):
    """Images that cannot be trained on or predicted."""


class WeightsError(TlKerasError):
    """A weights file that is missing, damaged, or made for another network."""


class StorageError(TlKerasError):
    """A folder that cannot hold or give what is needed: full, read-only, damaged."""


class ExportError(TlKerasError):
    """An export that does not compute what the trained model computes."""


class BusyError(TlKerasError):
    """A folder that another process works in."""


class WorkerError(TlKerasError):
    """Another process of the same run that failed, or is gone."""
