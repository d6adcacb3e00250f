"""Replacing secrets that `up` has generated. Their users get the new ones when the manager is replaced."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from bootstrap.aws import secrets
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.config.choices import Https
from bootstrap.config.document import suggestion
from bootstrap.errors import SettingsError
from bootstrap.machines import tls

TLS = "tls"
NOTICED: Mapping[str, str] = {
    "lifecycle-token": "users notice nothing",
    "operator-token": "users notice nothing",
    "proxy-token": "users notice nothing",
    "cookie-secret": "all users are logged out; their servers keep running",
    "worker-token-key": "every running machine is stopped: files are kept, running programs end",
    "sign-up-key": "sign-up codes that were not used yet are void: print new ones with `cloudjhub users codes`",
    "user-password": "users need the new shared password",
    "admin-password": "administrators need the new shared password",
    TLS: "browsers warn again: compare the fingerprint that `cloudjhub open` prints",
}
"""What users notice, by the name of a secret on the command line."""
_PARAMETERS = {name.rpartition("/")[2]: name for name in secrets.MAKERS}


def chosen(site: Site, names: Sequence[str], *, every: bool) -> list[str]:
    """The names of generated secrets, in the order in which they are replaced. Raises SettingsError."""
    known = [name for name in NOTICED if name != TLS or site.settings.manager.https is Https.SELF_SIGNED]
    if bool(names) == every:
        raise SettingsError(f"name the secrets, or give --all: there are {', '.join(known)}")
    for name in names:
        if name not in known:
            raise SettingsError(f"there is no generated secret {name!r}: {suggestion(name, known)}")
    return known if every else [name for name in known if name in names]


def rotate(site: Site, names: Iterable[str], now: datetime, report: Report) -> None:
    """Replaces these secrets in Parameter Store, whereupon `up` replaces the manager. Another run makes others."""
    ssm = site.aws.client("ssm")
    for name in names:
        report(f"replacing {name}")
        if name == TLS:
            tls.rotate(site, now)
        else:
            parameter = _PARAMETERS[name]
            secrets.put(
                ssm,
                site.cluster,
                parameter,
                secrets.MAKERS[parameter](),
                site.settings.tags,
                site.settings.kms_key,
            )
