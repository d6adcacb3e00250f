"""The pages of accounts that the hub keeps: sign up, log in, authorise.

Codes with which the users on the list make their accounts, each good for one name.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
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

from hub.errors import SignUpRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What somebody who signs up has filled in."""

    name: str
    code: str
    password: str
    again: str


def account_routes() -> list[tuple[str, type[web.RequestHandler]]]:
    """Our handlers, which come before the package's own."""
    return [
        (r"/login", LoginPage),
        (r"/signup", SignUpPage),
        (r"/authorize", AuthorizationAreaHandler),
        (r"/authorize/([^/]+)", AuthorizeHandler),
        (r"/discard/([^/]+)", DiscardHandler),
    ]


class LoginPage(LoginHandler):  # type: ignore[misc]  # it publishes no types
    """Tells nothing of an account to somebody who does not know its password."""

    async def post(self) -> None:
        """Logs in."""
        data = {name: self.get_body_argument(name, strip=False) for name in self.request.body_arguments}
        words, status = "Invalid username or password.", 403
        try:
            user = await self.login_user(data)
        except web.HTTPError as error:
            user, words, status = None, str(error.log_message), error.status_code
        if user:
            self._jupyterhub_user = user
            self.redirect(self.get_next_url(user))
            return
        self.set_status(status)
        self.finish(await self._render(login_error=words, username=data.get("username", "")))


class SignUpPage(SignUpHandler):  # type: ignore[misc]  # it publishes no types
    """Makes an account for who has the name's code."""

    async def get(self) -> None:
        """The form; a link may carry the name."""
        await self._show(username=self.get_argument("username", ""))

    async def post(self) -> None:
        """Makes the account."""
        form = Form(
            name=self.get_body_argument("username", "", strip=False),
            code=self.get_body_argument("code", ""),
            password=self.get_body_argument("signup_password", "", strip=False),
            again=self.get_body_argument("signup_password_confirmation", "", strip=False),
        )
        try:
            words = await self.authenticator.sign_up(form, self.request.remote_ip, datetime.now(UTC))
        except SignUpRefused as error:
            self.set_status(400)
            await self._show(username=form.name, refusal=str(error))
        else:
            await self._show(username=form.name, success=words)

    async def _show(self, **shown: Any) -> None:
        requests = self.authenticator.requests
        shortest = self.authenticator.minimum_password_length
        page = self.render_template("signup.html", requests=requests, shortest=shortest, **shown)
        self.finish(await page)


class AuthorizeHandler(LocalBase):  # type: ignore[misc]  # it publishes no types
    """Authorises an account, or takes that back. By POST only: a link that somebody sends must not do it."""

    @admin_users_scope  # type: ignore[untyped-decorator]  # it publishes no types
    async def post(self, name: str) -> None:
        """Changes it and shows the accounts."""
        if UserInfo.find(self.db, name) is None:
            raise web.HTTPError(404, "There is no such account.")
        UserInfo.change_authorization(self.db, name)
        self.redirect(self.hub.base_url + "authorize")


class DiscardHandler(LocalBase):  # type: ignore[misc]  # it publishes no types
    """Deletes an account that is not authorised. The name's sign-up code makes a new one."""

    @admin_users_scope  # type: ignore[untyped-decorator]  # it publishes no types
    async def post(self, name: str) -> None:
        """Deletes it and shows the accounts."""
        account = UserInfo.find(self.db, name)
        if account is None or account.is_authorized:
            raise web.HTTPError(409, "Only an account that is not authorised can be deleted.")
        self.db.delete(account)
        self.db.commit()
        self.redirect(self.hub.base_url + "authorize")


LETTERS = 16
"""Of 32 each: 80 bits, which nobody guesses over HTTP."""


def sign_up_code(key: str, cluster: str, name: str) -> str:
    """The code of a normalised name, like ABCD-EFGH-IJKL-MNOP. It follows from the key: nobody has to keep it."""
    message = json.dumps(["sign-up", cluster, name], ensure_ascii=True)
    digest = hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()
    letters = base64.b32encode(digest).decode()[:LETTERS]
    return "-".join(letters[start : start + 4] for start in range(0, LETTERS, 4))


def is_code_of(told: str, key: str, cluster: str, name: str) -> bool:
    """Is this the name's code, however it is spaced and whichever case it is in?"""
    plain = "".join(told.split()).replace("-", "").upper()
    wanted = sign_up_code(key, cluster, name).replace("-", "")
    return hmac.compare_digest(plain.encode(errors="replace"), wanted.encode())
