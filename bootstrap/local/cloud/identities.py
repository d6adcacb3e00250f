"""Who may call: the operator, functions by their roles, IAM users and the sessions of assumed roles."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.settings import OPERATOR_KEY
from bootstrap.local.cloud.signatures import Identity

FUNCTION_KEY = "function."
"""What the access key of a function begins with, as `emulate_lambda.py` makes it; its name follows."""


@dataclass(frozen=True, slots=True)
class SessionCredentials:
    """Temporary credentials of a role's session, in the words of the instance metadata service."""

    key: str
    secret: str
    token: str
    issued_at: datetime
    expires_at: datetime


class Identities:
    """Finds the holder of an access key and issues sessions of roles. Used under the emulator's lock."""

    def __init__(self, emulator: Emulator, operator_secret: str) -> None:
        self._emulator = emulator
        self._operator_secret = operator_secret
        self._fixed = {
            OPERATOR_KEY: _user(OPERATOR_KEY, OPERATOR_KEY, emulator.account, operator_secret),
        }

    def find(self, key: str) -> Identity | None:
        """The holder of the key, expired sessions included."""
        if fixed := self._fixed.get(key):
            return fixed
        if key.startswith(FUNCTION_KEY):
            return self._function(key)
        session = self._session(key)
        if session is not None:
            return _session_identity(session)
        return self._iam_user(key)

    def assume(self, role_name: str, session_name: str, lifetime: timedelta) -> SessionCredentials | None:
        """Credentials of a new session of the role; None if there is no such role."""
        role = self._role(role_name)
        if role is None:
            return None
        sts = self._emulator.backend("sts")
        session = sts.assume_role(
            region_name=self._emulator.region,
            role_session_name=session_name,
            role_arn=role.arn,
            policy=None,
            duration=int(lifetime.total_seconds()),
            external_id=None,
        )
        expires_at = _aware(session.expiration)
        return SessionCredentials(
            session.access_key_id,
            session.secret_access_key,
            session.session_token,
            expires_at - lifetime,
            expires_at,
        )

    def forget_expired(self, now: datetime) -> None:
        """Drops sessions a day after they expired: by then nobody needs to be told that they did."""
        sts = self._emulator.backend("sts")
        kept = [role for role in sts.assumed_roles if _aware(role.expiration) > now - timedelta(days=1)]
        sts.assumed_roles[:] = kept

    def _function(self, key: str) -> Identity | None:
        """A function as the session of its role, which Chalice names as the function."""
        name = key.removeprefix(FUNCTION_KEY)
        role = self._role(name)
        if role is None:
            return None
        arn = f"arn:aws:sts::{self._emulator.account}:assumed-role/{name}/{name}"
        return Identity(f"{name}/{name}", f"{role.id}:{name}", arn, key, self._operator_secret)

    def _role(self, name: str) -> Any:
        iam = self._emulator.backend("iam")
        return next((role for role in iam.roles.values() if role.name == name), None)

    def _session(self, key: str) -> Any:
        return self._emulator.backend("sts").get_assumed_role_from_access_key(key)

    def _iam_user(self, key: str) -> Identity | None:
        for user in self._emulator.backend("iam").users.values():
            for held in user.access_keys:
                if held.access_key_id == key and held.status == "Active":
                    return Identity(user.name, user.id, user.arn, key, held.secret_access_key)
        return None


def _user(name: str, key: str, account: str, secret: str) -> Identity:
    return Identity(name, "AIDALOCALCLOUD", f"arn:aws:iam::{account}:user/{name}", key, secret)


def _session_identity(session: Any) -> Identity:
    role = session.role_arn.rpartition("/")[2]
    return Identity(
        principal=f"{role}/{session.session_name}",
        user_id=session.user_id,
        arn=session.arn,
        key=session.access_key_id,
        secret=session.secret_access_key,
        token=session.session_token,
        expires_at=_aware(session.expiration),
    )


def _aware(moment: datetime) -> datetime:
    """moto keeps UTC without saying so."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
