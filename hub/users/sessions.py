"""What lets a user in without a password: cookies, tokens, OAuth codes; and their end."""

from collections.abc import Collection
from typing import Any

from jupyterhub import orm


def end_sessions(db: Any, user: orm.User, kept: Collection[orm.APIToken] = ()) -> None:
    """Logs a user out everywhere and deletes the user's tokens, except for those `kept`."""
    user.cookie_id = orm.new_token()
    for one in [*user.api_tokens, *user.oauth_codes]:
        if one not in kept:
            db.delete(one)
    db.commit()


def server_tokens(user: Any) -> list[orm.APIToken]:
    """The tokens with which the servers of JupyterHub's `user` that run or start talk to the hub."""
    active = [one for one in user.spawners.values() if one.active and one.api_token]
    found = [orm.APIToken.find(user.db, one.api_token) for one in active]
    return [token for token in found if token is not None]
