"""Kills the process group after so many changing AWS calls, as a power cut would. Python imports this by itself.

On PYTHONPATH in the test of interruptions only; it counts across processes, for `up` runs Chalice as one of its own.
"""

import fcntl
import os
import signal
from pathlib import Path

READING = (
    *(
        "Assume",
        "BatchGet",
        "Describe",
        "Filter",
        "Get",
        "Head",
        "List",
        "Lookup",
        "Query",
        "Scan",
        "Simulate",
    ),
    "Validate",
)


def count() -> int:
    """How many changing calls there have been in this run, this one included."""
    with Path(os.environ["CALLS_MADE"]).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(".")
        file.flush()
        return file.tell()


def install(last: int) -> None:
    """Die when the call with this number has been answered."""
    from botocore.client import BaseClient

    make = BaseClient._make_api_call  # type: ignore[attr-defined]

    def make_and_die(self, operation_name, api_params):  # type: ignore[no-untyped-def]
        try:
            return make(self, operation_name, api_params)
        finally:
            if not operation_name.startswith(READING) and count() >= last:
                os.killpg(os.getpgid(0), signal.SIGKILL)

    BaseClient._make_api_call = make_and_die  # type: ignore[attr-defined]


if "CALLS_UNTIL_DEATH" in os.environ:
    install(int(os.environ["CALLS_UNTIL_DEATH"]))
