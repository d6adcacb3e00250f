"""Errors of the command line. Each message is one line that says what to do; each has an exit code for scripts.

BootstrapError
├── SettingsError     an option or setting is wrong
├── MissingProgram    a program or package that is needed is not installed
├── PortInUse         an address is used by another program
├── AlreadyRunning    a local cloud runs with this state directory
├── NotRunning        the local cloud does not run
├── StepFailed        a step or part failed; names its log if there is one
│   └── Held          something foreign keeps a part from being removed
├── NotBuilt          the cluster or a part of it does not exist
├── Refused           the request cannot be fulfilled: nothing was changed
├── LeftOver          resources are left that should be deleted
├── Unhealthy         a cluster does not work, or not completely
├── Refuted           AWS does not behave as the code assumes
└── Interrupted       the operator pressed Ctrl-C
"""

from lifecycle_app.printable import PrintableError


class BootstrapError(PrintableError):
    """The root: shown to the operator as one line."""

    exit_code = 1


class SettingsError(BootstrapError):
    """An option or setting is wrong."""

    exit_code = 2  # as click's own for wrong usage


class MissingProgram(BootstrapError):
    """A program or package that is needed is not installed."""


class PortInUse(BootstrapError):
    """An address is used by another program."""


class AlreadyRunning(BootstrapError):
    """A local cloud runs with this state directory."""


class NotRunning(BootstrapError):
    """The local cloud does not run."""


class StepFailed(BootstrapError):
    """A step or part failed; names its log if there is one."""


class Held(StepFailed):
    """Something foreign keeps a part from being removed; the message names it. All else can be removed."""

    exit_code = 5


class NotBuilt(BootstrapError):
    """The cluster or a part of it does not exist."""

    exit_code = 3


class Refused(BootstrapError):
    """The request cannot be fulfilled: nothing was changed."""

    exit_code = 4


class LeftOver(BootstrapError):
    """Resources are left that should be deleted."""

    exit_code = 5


class Unhealthy(BootstrapError):
    """A cluster does not work, or not completely."""

    exit_code = 5


class Refuted(BootstrapError):
    """AWS does not behave as the code assumes."""

    exit_code = 6


class Interrupted(BootstrapError):
    """The operator pressed Ctrl-C."""

    exit_code = 130  # as shells report SIGINT
