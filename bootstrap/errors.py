"""Errors of the command line. Each message is one line that names the mend; each has an exit code for scripts.

BootstrapError
├── SettingsError     something the operator set is wrong
├── MissingProgram    a program or package that is needed is not installed
├── PortInUse         an address is taken by somebody else
├── AlreadyRunning    this state directory has a local cloud already
├── NotRunning        there is no local cloud to talk to
├── StepFailed        a part did not come up; names its log
├── NotBuilt          the cluster, or the part of it that is asked for, does not exist
├── Refused           what is asked for cannot be built here: nothing was changed
├── LeftOver          something is left that should be gone
├── Unhealthy         a cluster that is built does not do its work, or not all of it
└── Interrupted       the operator pressed Ctrl-C
"""


class BootstrapError(Exception):
    """The root: shown to the operator as one line."""

    exit_code = 1


class SettingsError(BootstrapError):
    """Something the operator set is wrong."""

    exit_code = 2  # as click's own for wrong usage


class MissingProgram(BootstrapError):
    """A program or package that is needed is not installed."""


class PortInUse(BootstrapError):
    """An address is taken by somebody else."""


class AlreadyRunning(BootstrapError):
    """This state directory has a local cloud already."""


class NotRunning(BootstrapError):
    """There is no local cloud to talk to."""


class StepFailed(BootstrapError):
    """A part did not come up; names its log."""


class NotBuilt(BootstrapError):
    """The cluster, or the part of it that is asked for, does not exist."""

    exit_code = 3


class Refused(BootstrapError):
    """What is asked for cannot be built here: nothing was changed."""

    exit_code = 4


class LeftOver(BootstrapError):
    """Something is left that should be gone."""

    exit_code = 5


class Unhealthy(BootstrapError):
    """A cluster that is built does not do its work, or not all of it."""

    exit_code = 5


class Interrupted(BootstrapError):
    """The operator pressed Ctrl-C."""

    exit_code = 130  # as a shell tells of SIGINT
