"""The pages of accounts that the hub keeps: log in, sign up, change a password, authorise."""

from dataclasses import dataclass
from typing import Any

from nativeauthenticator.handlers import (
    AuthorizationAreaHandler,
    LocalBase,
    LoginHandler,
    SignUpHandler,
    admin_users_scope,
)
from nativeauthenticator.orm import UserInfo
from tornado import web

from hub.audit.event import Outcome
from hub.audit.record import record
from hub.errors import SignUpRefused
from hub.login.devices import remember_device, source_of
from hub.users.administrators import ensure_another_administrator
from hub.users.sessions import end_sessions, server_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The sign-up form."""

    name: str
    code: str
    password: str
    again: str


def account_routes() -> list[tuple[str, type[web.RequestHandler]]]:
    """Our handlers, in place of the package's own."""
    return [
        (r"/login", LoginPage),
        (r"/signup", SignUpPage),
        (r"/authorize", AuthorizationAreaHandler),
        (r"/authorize/([^/]+)", AuthorizeHandler),
        (r"/discard/([^/]+)", DiscardHandler),
        (r"/change-password", PasswordPage),
        (r"/change-password/([^/]+)", UserPasswordPage),
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
            remember_device(self, user.name)
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
            message = await self.authenticator.sign_up(form)
        except SignUpRefused as error:
            known = form.name if self.authenticator.is_known(form.name) else ""
            record("account.create", known, Outcome.REFUSED)
            self.set_status(400)
            await self._show(username=form.name, code=form.code, refusal=str(error))
            return
        if form.code.strip():
            # Strangers behind the same address shall not make the first login wait.
            remember_device(self, self.authenticator.normalize_username(form.name))
        await self._show(username=form.name, success=message)

    async def _show(self, **shown: Any) -> None:
        requests = self.authenticator.requests
        shortest = self.authenticator.minimum_password_length
        page = self.render_template("signup.html", requests=requests, shortest=shortest, **shown)
        self.finish(await page)


class PasswordPage(LocalBase):  # type: ignore[misc]  # it publishes no types
    """Changes one's own password, for the old one."""

    @web.authenticated
    async def get(self) -> None:
        """The form."""
        await self._show()

    @web.authenticated
    async def post(self) -> None:
        """Changes the password; this browser stays logged in, all others are logged out."""
        user = self.current_user
        problem = _problem(self)
        if problem is None:
            old = self.get_body_argument("old_password", "", strip=False)
            source = source_of(self, user.name)
            if await self.authenticator.account_with(user.name, old, source) is None:
                problem = "The old password is wrong."
        if problem:
            self.set_status(400)
            await self._show(refusal=problem)
            return
        await self.authenticator.set_password(user.name, _new_password(self), user)
        self.set_login_cookie(user)
        await self._show(
            success="Your password was changed. You were logged out elsewhere, and your API tokens were deleted."
        )

    async def _show(self, **shown: Any) -> None:
        await _show_password_form(self, self.current_user.name, is_own=True, **shown)


class UserPasswordPage(LocalBase):  # type: ignore[misc]  # it publishes no types
    """Changes another user's password, for administrators. Their own needs the old one, on its own page."""

    @admin_users_scope  # type: ignore[untyped-decorator]  # it publishes no types
    async def get(self, name: str) -> None:
        """The form."""
        if self._is_own(name):
            self.redirect(self.hub.base_url + "change-password")
            return
        await _show_password_form(self, self._account(name), is_own=False)

    @admin_users_scope  # type: ignore[untyped-decorator]  # it publishes no types
    async def post(self, name: str) -> None:
        """Changes the password and logs the user out."""
        if self._is_own(name):
            raise web.HTTPError(403, "Change your own password on its own page, with the old one.")
        known = self._account(name)
        problem = _problem(self)
        if problem:
            self.set_status(400)
            await _show_password_form(self, known, is_own=False, refusal=problem)
            return
        await self.authenticator.set_password(known, _new_password(self), self.find_user(known))
        success = f"The password of {known} was changed. The user was logged out, without API tokens."
        await _show_password_form(self, known, is_own=False, success=success)

    def _is_own(self, name: str) -> bool:
        return bool(self.authenticator.normalize_username(name) == self.current_user.name)

    def _account(self, name: str) -> str:
        account = self.authenticator.get_user(name)
        if account is None:
            raise web.HTTPError(404, "This account does not exist.")
        return str(account.username)


def _new_password(handler: Any) -> str:
    return str(handler.get_body_argument("new_password", "", strip=False))


def _problem(handler: Any) -> str | None:
    """Why the new password cannot be used; None if it can."""
    password = _new_password(handler)
    if password != handler.get_body_argument("new_password_confirmation", "", strip=False):
        return "The two new passwords are different."
    problem: str | None = handler.authenticator.password_problem(password)
    return problem


async def _show_password_form(handler: Any, name: str, *, is_own: bool, **shown: Any) -> None:
    shortest = handler.authenticator.minimum_password_length
    page = handler.render_template(
        "change-password.html", account=name, is_own=is_own, shortest=shortest, **shown
    )
    handler.finish(await page)


class AuthorizeHandler(LocalBase):  # type: ignore[misc]  # it publishes no types
    """Authorises an account, or withdraws that. Only by POST: a link must not do it."""

    @admin_users_scope  # type: ignore[untyped-decorator]  # it publishes no types
    async def post(self, name: str) -> None:
        """Changes it and shows the accounts. A user who is no longer authorised is logged out."""
        account = UserInfo.find(self.db, name)
        if account is None:
            raise web.HTTPError(404, "This account does not exist.")
        user = self.find_user(name)
        if account.is_authorized:
            ensure_another_administrator(self.db, self.authenticator, name)
        account.is_authorized = not account.is_authorized
        self.db.commit()
        if user is not None and not account.is_authorized:
            end_sessions(self.db, user.orm_user, kept=server_tokens(user))
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
