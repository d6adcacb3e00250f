"""Accounts that the hub itself keeps: names and passwords, made with a code that belongs to the name.

Slows down whoever keeps failing to prove who it is.
"""

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import bcrypt
from jupyterhub.auth import Authenticator
from nativeauthenticator import NativeAuthenticator
from nativeauthenticator.orm import UserInfo
from tornado import web
from traitlets import Bool, Unicode

from hub.errors import SignUpRefused, TooManyTries
from hub.login.accounts import Form, account_routes, is_code_of

LONGEST_PASSWORD = 72
"""Bytes: bcrypt knows no more."""
MOST_WAITING = 200
"""So many accounts may wait for an administrator: strangers must not fill the disk."""
WRONG_CODE = (
    "This name and this code do not belong together, or the account exists already."
    " Check both; if that does not help, ask your administrator."
)


class NativeAccounts(NativeAuthenticator):  # type: ignore[misc]  # it publishes no types
    """Who has an account that is authorised, and the right password, is let in."""

    sign_up_key = Unicode("", config=True, help="The codes' key.")
    cluster = Unicode("", config=True, help="The cluster's name, which is part of the codes.")
    requests = Bool(
        False, config=True, help="May names that are on no list ask an administrator for an account?"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._wrong_passwords = Failures(
            self.allowed_failed_logins, timedelta(seconds=self.seconds_before_next_try)
        )
        self._wrong_codes = Failures()
        # Without an account the same work is done, so that the time taken tells nobody which names there are.
        self._nobodys = bcrypt.hashpw(b"nobody", bcrypt.gensalt())

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:  # noqa: ARG002 -- JupyterHub's
        """The name, for its own password. Raises HTTPError with words where there is more to say than no."""
        name, password = self.normalize_username(data.get("username", "")), data.get("password", "")
        now = datetime.now(UTC)
        try:
            self._wrong_passwords.check(name, now)
        except TooManyTries as error:
            minutes = max(1, round(self.seconds_before_next_try / 60))
            words = f"Too many wrong passwords for this name. Try again in {minutes} min."
            raise web.HTTPError(429, words) from error
        # Counted before it is looked at: many tries at the same moment must not all get through.
        self._wrong_passwords.add(name, now)
        account = self.get_user(name)
        is_right = await _in_thread(_is_password, password, account.password if account else self._nobodys)
        if account is None or not is_right:
            return None
        self._wrong_passwords.forgive(name)
        if not account.is_authorized:
            raise web.HTTPError(403, "Your account waits for an administrator, who has to authorise it.")
        return str(name)

    def check_allowed(self, username: str, authentication: Any = None) -> bool:  # noqa: ARG002 -- JupyterHub's
        """An authorised account is allowed: a code of the operator's, or an administrator, made it so."""
        return True

    def validate_username(self, username: str) -> bool:
        """Any name that the hub takes; forms and database have no trouble with spaces and commas."""
        return bool(Authenticator.validate_username(self, username))

    def is_password_strong(self, password: str) -> bool:
        return self.objection_to(password) is None

    def objection_to(self, password: str) -> str | None:
        """Why a password cannot be used, in a sentence; None if it can."""
        if len(password) < self.minimum_password_length:
            return f"The password is too short: take at least {self.minimum_password_length} characters."
        if len(password.encode(errors="surrogatepass")) > LONGEST_PASSWORD:
            return f"The password is too long: take at most {LONGEST_PASSWORD} bytes."
        if self.is_password_common(password) or self.is_password_common(password.lower()):
            return "This password is one that everybody tries first: take another one."
        return None

    async def sign_up(self, form: Form, source: str, now: datetime) -> str:
        """Makes an account and says in a sentence what comes next. Raises SignUpRefused that says why not.

        `source` is where the form comes from: who guesses is slowed down.
        """
        try:
            self._wrong_codes.check(source, now)
        except TooManyTries as error:
            raise SignUpRefused("There were too many wrong codes. Try again in a minute.") from error
        name = self._acceptable(form)
        is_authorized = self._is_entitled(name, form.code, source, now)
        password = await _in_thread(bcrypt.hashpw, form.password.encode(), bcrypt.gensalt())
        # Somebody may have been faster meanwhile.
        self._check_free(name, is_authorized=is_authorized)
        waiting = self.get_user(name)
        if waiting is not None:
            self.db.delete(waiting)
        self.db.add(UserInfo(username=name, password=password, is_authorized=is_authorized))
        self.db.commit()
        self.log.info("%s signed up, authorised: %s", name, is_authorized)
        if is_authorized:
            return "Your account is made. Log in with your name and your password."
        return "Your wish for an account was noted. You can log in as soon as an administrator has authorised it."

    def get_handlers(self, app: Any) -> list[Any]:
        """Ours take the place of those that act on a GET, or without a code."""
        return [*account_routes(), *super().get_handlers(app)]

    def _acceptable(self, form: Form) -> str:
        name: str = self.normalize_username(form.name)
        try:
            is_valid = self.validate_username(name)
        except web.HTTPError as error:
            raise SignUpRefused(str(error.log_message)) from error
        if not is_valid:
            raise SignUpRefused("This user name is not possible.")
        if form.password != form.again:
            raise SignUpRefused("The two passwords are not the same.")
        why = self.objection_to(form.password)
        if why:
            raise SignUpRefused(why)
        return name

    def _is_entitled(self, name: str, code: str, source: str, now: datetime) -> bool:
        """Is the account authorised from the beginning? Raises SignUpRefused if there may be none at all."""
        if code.strip():
            is_right = is_code_of(code, self.sign_up_key, self.cluster, name)
            if not is_right or name in self.blocked_users:
                self._wrong_codes.add(source, now)
                raise SignUpRefused(WRONG_CODE)
        elif not self.requests or name in self.allowed_users | self.admin_users | self.blocked_users:
            # Nobody but its bearer may take a name that is on the list.
            raise SignUpRefused("This name needs its sign-up code, which you get from your administrator.")
        self._check_free(name, is_authorized=bool(code.strip()))
        return bool(code.strip())

    def _check_free(self, name: str, *, is_authorized: bool) -> None:
        """Raises SignUpRefused if the name is taken. One that only waits gives way to the bearer of the name's code."""
        known = self.get_user(name)
        if known is not None and (known.is_authorized or not is_authorized):
            raise SignUpRefused(WRONG_CODE if is_authorized else "This name is taken: choose another one.")
        if not is_authorized:
            waiting = self.db.query(UserInfo).filter(UserInfo.is_authorized.is_(False)).count()
            if waiting >= MOST_WAITING:
                raise SignUpRefused(
                    "Too many accounts wait for an administrator already. Ask for a sign-up code."
                )


async def _in_thread(function: Any, *arguments: Any) -> Any:
    """bcrypt takes a quarter of a second: a class that logs in at once must not stop the hub."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def _is_password(password: str, hashed: bytes) -> bool:
    told = password.encode(errors="surrogatepass")
    return len(told) <= LONGEST_PASSWORD and bcrypt.checkpw(told, hashed)


MOST_FAILURES = 30
FAILURES_WITHIN = timedelta(minutes=1)


class Failures:
    """Limits how often something may fail to prove who it is: `most` times within `within`."""

    def __init__(self, most: int = MOST_FAILURES, within: timedelta = FAILURES_WITHIN) -> None:
        self._most = most
        self._within = within
        self._at: dict[str, deque[datetime]] = {}

    def check(self, source: str, now: datetime) -> None:
        """Raises TooManyTries for a source that has failed too often."""
        self._forget(now)
        if len(self._at.get(source, ())) >= self._most:
            raise TooManyTries("too many attempts that proved nothing")

    def add(self, source: str, now: datetime) -> None:
        """Counts a failure."""
        self._at.setdefault(source, deque(maxlen=self._most)).append(now)

    def forgive(self, source: str) -> None:
        """Forgets the failures of a source that has proved who it is."""
        self._at.pop(source, None)

    def _forget(self, now: datetime) -> None:
        for source, times in list(self._at.items()):
            while times and now - times[0] > self._within:
                times.popleft()
            if not times:
                del self._at[source]
