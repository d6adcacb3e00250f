"""Errors of the worker.

WorkerError
├── ConfigError              what the machine was told at launch cannot be used
├── IdentityUnavailable      instance metadata or credentials cannot be read (yet)
└── EnvironmentUnavailable   the hub gave no environment; says whether and when to ask again
"""

from datetime import timedelta


class WorkerError(Exception):
    """Root of this package's errors."""


class ConfigError(WorkerError):
    """What the machine was told at launch cannot be used."""


class IdentityUnavailable(WorkerError):
    """Instance metadata or credentials cannot be read, as happens in the first seconds of a machine."""


class EnvironmentUnavailable(WorkerError):
    """The hub gave no environment.

    ``refused``: the hub knows who we are, or could not tell, and says no: asking again soon is useless.
    ``retry_after``: when the hub itself says how long to wait.
    """

    def __init__(self, reason: str, *, refused: bool = False, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.refused = refused
        self.retry_after = retry_after
