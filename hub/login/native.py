"""Accounts that the hub keeps: names and passwords, created with a sign-up code; and their pages."""

import asyncio
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import bcrypt
from jupyterhub.auth import Authenticator
from nativeauthenticator import NativeAuthenticator
from nativeauthenticator.handlers import (
    AuthorizationAreaHandler,
    LocalBase,
    LoginHandler,
    SignUpHandler,
    admin_users_scope,
)
from nativeauthenticator.orm import UserInfo
from tornado import web
from traitlets import Bool, Unicode

from hub.errors import SignUpRefused, TooManyTries
from hub.identity import Failures
from hub.users.names import is_code_of, name_problem
from lifecycle_app.contract import utc_now

LONGEST_PASSWORD = 72
"""Bytes: bcrypt ignores the rest."""
MOST_FROM_AN_ADDRESS = 500
"""Failed logins in a row, for whatever names: a class may share one address."""
DEVICE = "cloudjhub-device"
"""The cookie of a browser in which a user has logged in."""
DEVICE_DAYS = 180
MOST_WAITING = 200
"""Accounts that may wait for an administrator: strangers must not fill the disk."""
WRONG_CODE = (
    "The code is not valid for this user name, or the account already exists."
    " Check both. If that does not help, ask your administrator."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The sign-up form."""

    name: str
    code: str
    password: str
    again: str


class NativeAccounts(NativeAuthenticator):  # type: ignore[misc]  # it publishes no types
    """Admits users with an authorised account and the right password."""

    sign_up_key = Unicode("", config=True, help="The codes' key.")
    cluster = Unicode("", config=True, help="The cluster's name, which is part of the codes.")
    requests = Bool(False, config=True, help="May names that are not on the list request an account?")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        within = timedelta(seconds=self.seconds_before_next_try)
        self._wrong_passwords = Failures(self.allowed_failed_logins, within)
        self._wrong_names = Failures(MOST_FROM_AN_ADDRESS, within)
        self._wrong_codes = Failures()
        # Without an account the same work is done: the time taken must not reveal which names exist.
        self._decoy = bcrypt.hashpw(b"decoy", bcrypt.gensalt())

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:
        """The name, for its password; None otherwise. Raises HTTPError where the user has to know more."""
        name, password = self.normalize_username(data.get("username", "")), data.get("password", "")
        if name_problem(name):
            return None
        now, source, address = utc_now(), source_of(handler, name), handler.request.remote_ip
        try:
            self._wrong_passwords.check(source, now)
            self._wrong_names.check(address, now)
        except TooManyTries as error:
            minutes = max(1, round(self.seconds_before_next_try / 60))
            message = f"Too many wrong passwords for this user name. Try again in {minutes} min."
            raise web.HTTPError(429, message) from error
        # Counted before it is checked: many tries at the same moment must not all be allowed.
        self._wrong_passwords.add(source, now)
        self._wrong_names.add(address, now)
        account = self.get_user(name)
        is_right = await _in_thread(_is_password, password, account.password if account else self._decoy)
        if account is None or not is_right:
            return None
        self._wrong_passwords.forgive(source)
        self._wrong_names.forgive(address)
        if not account.is_authorized:
            raise web.HTTPError(403, "Your account is not authorised yet. An administrator has to do that.")
        return str(name)

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

    async def sign_up(self, form: Form, source: str, now: datetime) -> str:
        """Creates an account; a message that says what to do next. Raises SignUpRefused that says why not.

        `source` is the form's address, which has to wait after too many wrong codes.
        """
        try:
            self._wrong_codes.check(source, now)
        except TooManyTries as error:
            raise SignUpRefused("Too many wrong codes. Try again in a minute.") from error
        name = self._acceptable(form)
        is_authorized = self._is_entitled(name, form.code, source, now)
        password = await _in_thread(bcrypt.hashpw, form.password.encode(), bcrypt.gensalt())
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

    def get_handlers(self, app: Any) -> list[Any]:
        """Ours replace those that act on a GET, or without a code."""
        return [*account_routes(), *super().get_handlers(app)]

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

    def _is_entitled(self, name: str, code: str, source: str, now: datetime) -> bool:
        """Is the account authorised at once? Raises SignUpRefused if it may not be created."""
        if code.strip():
            is_right = is_code_of(code, self.sign_up_key, self.cluster, name)
            if not is_right or name in self.blocked_users:
                self._wrong_codes.add(source, now)
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


def source_of(handler: Any, name: str) -> str:
    """Who tries to log in as `name`: a browser that has done so before, or else an address.

    Wrong passwords are counted for each, so that strangers lock out neither the user nor a user elsewhere.
    """
    device = handler.get_secure_cookie(DEVICE, max_age_days=DEVICE_DAYS) or b""
    user, _, number = device.decode(errors="replace").rpartition(" ")
    return json.dumps([name, number] if user == name else [name, "", handler.request.remote_ip])


async def _in_thread(function: Any, *arguments: Any) -> Any:
    """bcrypt takes a quarter of a second: a class that logs in at once must not block the hub."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def _is_password(password: str, hashed: bytes) -> bool:
    encoded = password.encode(errors="surrogatepass")
    return len(encoded) <= LONGEST_PASSWORD and bcrypt.checkpw(encoded, hashed)


def account_routes() -> list[tuple[str, type[web.RequestHandler]]]:
    """Our handlers, which precede the package's own."""
    return [
        (r"/login", LoginPage),
        (r"/signup", SignUpPage),
        (r"/authorize", AuthorizationAreaHandler),
        (r"/authorize/([^/]+)", AuthorizeHandler),
        (r"/discard/([^/]+)", DiscardHandler),
    ]


class LoginPage(LoginHandler):  # type: ignore[misc]  # it publishes no types
    """Reveals nothing about an account without its password."""

    async def post(self) -> None:
        """Logs in."""
        data = {name: self.get_body_argument(name, strip=False) for name in self.request.body_arguments}
        message, status = "Invalid username or password.", 403
        try:
            user = await self.login_user(data)
        except web.HTTPError as error:
            user, message, status = None, str(error.log_message), error.status_code
        if user:
            self._jupyterhub_user = user
            self.set_secure_cookie(
                DEVICE,
                f"{user.name} {secrets.token_hex(16)}",
                expires_days=DEVICE_DAYS,
                path=f"{self.hub.base_url}login",
                httponly=True,
                secure=self.request.protocol == "https",
                samesite="Lax",
            )
            self.redirect(self.get_next_url(user))
            return
        self.set_status(status)
        self.finish(await self._render(login_error=message, username=data.get("username", "")))


class SignUpPage(SignUpHandler):  # type: ignore[misc]  # it publishes no types
    """Creates an account with the name's code."""

    async def get(self) -> None:
        """The form; a link may carry the name."""
        await self._show(username=self.get_argument("username", ""))

    async def post(self) -> None:
        """Creates the account."""
        form = Form(
            name=self.get_body_argument("username", "", strip=False),
            code=self.get_body_argument("code", ""),
            password=self.get_body_argument("signup_password", "", strip=False),
            again=self.get_body_argument("signup_password_confirmation", "", strip=False),
        )
        try:
            message = await self.authenticator.sign_up(form, self.request.remote_ip, utc_now())
        except SignUpRefused as error:
            self.set_status(400)
            await self._show(username=form.name, refusal=str(error))
        else:
            await self._show(username=form.name, success=message)

    async def _show(self, **shown: Any) -> None:
        requests = self.authenticator.requests
        shortest = self.authenticator.minimum_password_length
        page = self.render_template("signup.html", requests=requests, shortest=shortest, **shown)
        self.finish(await page)


class AuthorizeHandler(LocalBase):  # type: ignore[misc]  # it publishes no types
    """Authorises an account, or withdraws that. Only by POST: a link must not do it."""

    @admin_users_scope  # type: ignore[untyped-decorator]  # it publishes no types
    async def post(self, name: str) -> None:
        """Changes it and shows the accounts."""
        if UserInfo.find(self.db, name) is None:
            raise web.HTTPError(404, "This account does not exist.")
        UserInfo.change_authorization(self.db, name)
        self.redirect(self.hub.base_url + "authorize")


class DiscardHandler(LocalBase):  # type: ignore[misc]  # it publishes no types
    """Deletes an account that is not authorised. The name's sign-up code creates a new one."""

    @admin_users_scope  # type: ignore[untyped-decorator]  # it publishes no types
    async def post(self, name: str) -> None:
        """Deletes it and shows the accounts."""
        account = UserInfo.find(self.db, name)
        if account is None or account.is_authorized:
            raise web.HTTPError(
                409, "An authorised account cannot be deleted. Withdraw the authorisation first."
            )
        self.db.delete(account)
        self.db.commit()
        self.redirect(self.hub.base_url + "authorize")
