"""The local cloud's errors.

CloudError
├── AwsError        a refusal with AWS's own code and message, returned to the caller
├── StartupError    the cloud cannot start; one line that says what to do
├── UnknownFaultError
└── UserDataError   the instance's user data cannot be carried out
"""


class CloudError(Exception):
    """Root of the local cloud's errors."""


class AwsError(CloudError):
    """An error with AWS's code and message; `status` is the HTTP status that goes with it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class StartupError(CloudError):
    """The cloud cannot start."""


class UnknownFaultError(CloudError):
    """No fault has this name; the message lists the names."""


class UserDataError(CloudError):
    """The user data of an instance is not what cloud-init would accept."""
