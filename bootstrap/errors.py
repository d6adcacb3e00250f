"""Errors of the command line. Each message is one line that names the mend.

BootstrapError
├── SettingsError     something the operator set is wrong
├── MissingProgram    a program or package that is needed is not installed
├── PortInUse         an address is taken by somebody else
├── AlreadyRunning    this state directory has a local cloud already
├── NotRunning        there is no local cloud to talk to
└── StepFailed        a part did not come up; names its log
"""


class BootstrapError(Exception):
    """The root: shown to the operator as one line, exit code 1."""


class SettingsError(BootstrapError):
    """Something the operator set is wrong."""


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
