"""The last administrator stays: no user of the hub can remove, suspend or demote that one."""

from typing import Any

from jupyterhub import orm
from tornado import web

from hub.users.names import check_administrators


def administrators(db: Any, authenticator: Any) -> frozenset[str]:
    """The administrators who can log in now."""
    found = db.query(orm.User).filter(orm.User.admin.is_(True)).all()
    return frozenset(user.name for user in found if authenticator.can_log_in(user.name))


def ensure_another_administrator(db: Any, authenticator: Any, name: str) -> None:
    """Raises HTTPError 409 if this user is the only administrator who can log in."""
    before = administrators(db, authenticator)
    try:
        check_administrators(before, before - {name})
    except ValueError as error:
        raise web.HTTPError(409, str(error)) from error
