"""Whether the hub answers from here, and as whom."""

from dataclasses import dataclass

from bootstrap.aws.site import Site
from bootstrap.config.choices import Https
from bootstrap.errors import NotBuilt
from bootstrap.machines import tls
from bootstrap.machines.address import hub_answers, hub_version, public_url
from bootstrap.machines.certificate import Pair

OURS = (Https.OWN, Https.SELF_SIGNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """What was seen of the hub."""

    url: str
    """"" before the cluster has an address."""
    trouble: str = ""
    """Why it does not answer, in a few words; "" if it does."""
    version: str = ""
    """JupyterHub's."""


def pair_of(site: Site) -> Pair | None:
    """The certificate that the hub must show, where it is one of ours; else None."""
    return tls.stored(site) if site.settings.manager.https in OURS else None


def asked_hub(site: Site) -> Hub:
    """Asks the hub at its public URL."""
    try:
        place = site.place()
    except NotBuilt:
        return Hub(url="", trouble="it has no address yet")
    url, pair, address = public_url(site.settings, place), pair_of(site), place.get("PublicAddress", "")
    trouble = hub_answers(url, pair, address)
    return Hub(url=url, trouble=trouble, version="" if trouble else hub_version(url, pair, address))
