"""How users log in: the authenticators and their options."""

from typing import Any

from bootstrap.config.choices import Authenticator
from bootstrap.config.document import Scalar, Table, Value
from bootstrap.config.values import free, one_of

_known = one_of(Authenticator)
# Where a cluster's secrets are: never in a file that is copied, sent and committed.
_SECRET = ("secret", "password")


def authenticator(value: Value) -> str:
    """The authenticator's name."""
    return str(_known(value))


def options(value: Value) -> dict[str, Any]:
    """The authenticator's own options; nothing for an empty value. Secrets are refused."""
    if isinstance(value, Scalar) and value.is_empty:
        return {}
    if not isinstance(value, Table):
        raise value.place.wrong("must hold indented lines below it, like `client_id: ...`")
    for name, entry in value.entries.items():
        if name.endswith(_SECRET):
            secret = "ldap-password" if name.endswith("password") else "client-secret"
            raise entry.place.wrong(
                f"a secret does not belong here: remove it and run `cloudjhub secrets set {secret}`"
            )
    return {name: free(entry) for name, entry in value.entries.items()}
