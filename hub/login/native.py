"""Accounts that the hub keeps: names and passwords, created with a sign-up code; and their pages."""

from datetime import timedelta
from typing import Any

import bcrypt
from jupyterhub.auth import Authenticator
from nativeauthenticator import NativeAuthenticator
from nativeauthenticator.orm import UserInfo
from tornado import web
from traitlets import Bool, Unicode

from hub.errors import SignUpRefused
from hub.login.account_pages import Form, account_routes
from hub.login.devices import Source, source_of
from hub.login.passwords import LONGEST_PASSWORD, Guesses, Hashing
from hub.users.names import is_code_of, name_problem
from hub.users.sessions import end_sessions, server_tokens
from lifecycle_app.contract import utc_now

MOST_WAITING = 200
"""Accounts that may wait for an administrator: strangers must not fill the disk."""
WRONG_CODE = (
    "The code is not valid for this user name, or the account already exists."
    " Check both. If that does not help, ask your administrator."
)


class NativeAccounts(NativeAuthenticator):  # type: ignore[misc]  # it publishes no types
    """Admits users with an authorised account and the right password."""

    counts_guesses = True
    """Also those on other pages than the login's."""
    sign_up_key = Unicode("", config=True, help="The codes' key.")
    cluster = Unicode("", config=True, help="The cluster's name, which is part of the codes.")
    requests = Bool(False, config=True, help="May names that are not on the list request an account?")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hashing = Hashing()
        self._guesses = Guesses(self.allowed_failed_logins, timedelta(seconds=self.seconds_before_next_try))
        # Without an account the same work is done: the time taken must not reveal which names exist.
        self._decoy = bcrypt.hashpw(b"decoy", bcrypt.gensalt())

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:
        """The name, for its password; None otherwise. Raises HTTPError where the user has to know more."""
        name: str = self.normalize_username(data.get("username", ""))
        if name_problem(name):
            return None
        account = await self.account_with(name, data.get("password", ""), source_of(handler, name))
        if account is None:
            return None
        if not account.is_authorized:
            raise web.HTTPError(403, "Your account is not authorised yet. An administrator has to do that.")
        return name

    async def account_with(self, name: str, password: str, source: Source) -> UserInfo | None:
        """The account, if this is its password. A wrong one counts against the source.

        Raises HTTPError 429 for a source that has to wait, 503 while too many passwords are checked.
        """
        now = utc_now()
        self._guesses.check(source, now)
        self.hashing.check_room()
        self._guesses.add(source, now)
        account = self.get_user(name)
        hashed = account.password if account else self._decoy
        is_right = await self.hashing.is_right(password, hashed)
        # The password may have been changed meanwhile, which ends the sessions that the old one began.
        account = self.get_user(name)
        if account is None or account.password != hashed or not is_right:
            return None
        self._guesses.forgive(source)
        return account

    async def set_password(self, name: str, password: str, user: Any) -> None:
        """Changes the password of an account, and ends the sessions of its `user`, JupyterHub's, if there is one yet.
        Servers keep running.

        Raises HTTPError 404 if there is no account, 503 while too many passwords are checked.
        """
        hashed = await self.hashing.hashed(password)
        account = self.get_user(name)
        if account is None:
            raise web.HTTPError(404, "This account does not exist.")
        account.password = hashed
        self.db.commit()
        if user is not None:
            end_sessions(self.db, user.orm_user, kept=server_tokens(user))
        self.log.info("%s has a new password; sessions and tokens are ended", name)

    def is_authorized(self, username: str) -> bool:
        """Has the user an account that is authorised?"""
        account = self.get_user(username)
        return account is not None and bool(account.is_authorized)

    def forget(self, username: str) -> None:
        """Deletes the account of a removed user. The caller commits."""
        account = self.get_user(username)
        if account is not None:
            self.db.delete(account)

    def generation_of(self, username: str) -> int:  # noqa: ARG002 -- the cluster's rules know more
        """How often the name was removed: a part of its sign-up code."""
        return 0

    def check_allowed(self, username: str, authentication: Any = None) -> bool:  # noqa: ARG002 -- JupyterHub's
        """An authorised account is allowed: the operator's code, or an administrator, authorised it."""
        return True

    def validate_username(self, username: str) -> bool:
        """Any name that the hub accepts; unlike the package, also with spaces and commas."""
        return bool(Authenticator.validate_username(self, username))

    def is_password_strong(self, password: str) -> bool:
        """Can the password be used?"""
        return self.password_problem(password) is None

    def password_problem(self, password: str) -> str | None:
        """Why a password cannot be used, for its user; None if it can."""
        if len(password) < self.minimum_password_length:
            return f"The password is too short. Use at least {self.minimum_password_length} characters."
        if len(password.encode(errors="surrogatepass")) > LONGEST_PASSWORD:
            return f"The password is too long. Use at most {LONGEST_PASSWORD} bytes."
        if self.is_password_common(password) or self.is_password_common(password.lower()):
            return "This password is too common. Use another one."
        return None

    async def sign_up(self, form: Form) -> str:
        """Creates an account; a message that says what to do next. Raises SignUpRefused that says why not."""
        name = self._acceptable(form)
        is_authorized = self._is_entitled(name, form.code)
        password = await self.hashing.hashed(form.password)
        # The name may have been taken meanwhile.
        self._check_free(name, is_authorized=is_authorized)
        waiting = self.get_user(name)
        if waiting is not None:
            self.db.delete(waiting)
        self.db.add(UserInfo(username=name, password=password, is_authorized=is_authorized))
        self.db.commit()
        self.log.info("%s signed up, authorised: %s", name, is_authorized)
        if is_authorized:
            return "Your account was created. Log in with your user name and password."
        return "Your request was recorded. You can log in once an administrator has authorised your account."

    def get_handlers(self, app: Any) -> list[Any]:  # noqa: ARG002 -- JupyterHub's
        """Ours alone: the package's act on a GET, need no code, or hash in the event loop."""
        return account_routes()

    def _acceptable(self, form: Form) -> str:
        name: str = self.normalize_username(form.name)
        try:
            is_valid = self.validate_username(name)
        except web.HTTPError as error:
            raise SignUpRefused(str(error.log_message)) from error
        if not is_valid:
            raise SignUpRefused("This user name is not allowed.")
        if form.password != form.again:
            raise SignUpRefused("The two passwords are different.")
        problem = self.password_problem(form.password)
        if problem:
            raise SignUpRefused(problem)
        return name

    def _is_entitled(self, name: str, code: str) -> bool:
        """Is the account authorised at once? Raises SignUpRefused if it may not be created.

        Wrong codes make no address wait, which a class may share: no guess finds 80 bits.
        """
        if code.strip():
            is_right = is_code_of(code, self.sign_up_key, self.cluster, name, self.generation_of(name))
            if not is_right or name in self.blocked_users:
                raise SignUpRefused(WRONG_CODE)
        elif not self.requests or name in self.allowed_users | self.admin_users | self.blocked_users:
            # A name on the list is only for its own user.
            raise SignUpRefused("This user name needs a sign-up code. Ask your administrator for it.")
        self._check_free(name, is_authorized=bool(code.strip()))
        return bool(code.strip())

    def _check_free(self, name: str, *, is_authorized: bool) -> None:
        """Raises SignUpRefused if the name is taken. A request is replaced by an account with the name's code."""
        known = self.get_user(name)
        if known is not None and (known.is_authorized or not is_authorized):
            raise SignUpRefused(
                WRONG_CODE if is_authorized else "This user name is taken. Choose another one."
            )
        if not is_authorized:
            waiting = self.db.query(UserInfo).filter(UserInfo.is_authorized.is_(False)).count()
            if waiting >= MOST_WAITING:
                raise SignUpRefused(
                    "Too many requests are waiting for an administrator. Ask for a sign-up code."
                )
