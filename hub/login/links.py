"""Links that lead each user to a page of their own server, as a syllabus has them: `hub/user-redirect/...`."""

from typing import Any

from jupyterhub.utils import url_path_join
from tornado.httputil import url_concat

PREFIX = "/user-redirect/"


def own_page(_path: str, request: Any, user: Any, base_url: str) -> str:
    """Where such a link leads this user: to a start, if there has to be one, and then to the page.

    JupyterHub's own drops what the query has without a value, and decodes the path.
    """
    page = url_path_join(user.url, request.path.partition(PREFIX)[2])
    if request.query:
        page = f"{page}?{request.query}"
    return str(url_concat(url_path_join(base_url, "hub", "spawn", user.escaped_name), {"next": page}))
