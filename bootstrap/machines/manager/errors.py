"""Errors of the manager's own programs: one line each, shown on the console."""


class SetupError(Exception):
    """A step of the set-up failed; the message names the mend or what is waited for."""
