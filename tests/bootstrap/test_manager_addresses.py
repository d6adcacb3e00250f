"""The manager's address in the browser, for every way in which it is reached."""

import pytest

from bootstrap.config.choices import Https
from bootstrap.config.settings import ClusterSettings, Manager, Network
from bootstrap.machines.address import public_url

PLACE = {"PublicAddress": "203.0.113.7", "ManagerAddress": "10.77.0.10"}


@pytest.mark.parametrize(
    ("manager", "place", "url"),
    [
        (Manager(), PLACE, "https://203.0.113.7"),
        (Manager(domain="hub.example"), PLACE, "https://hub.example"),
        (Manager(domain="hub.example", port=8443), PLACE, "https://hub.example:8443"),
        (Manager(), {"ManagerAddress": "10.77.0.10"}, "https://10.77.0.10"),
        (Manager(domain="127.0.0.1", port=8000, https=Https.NONE), PLACE, "http://127.0.0.1:8000"),
        (Manager(domain="127.0.0.1", port=80, https=Https.NONE), PLACE, "http://127.0.0.1"),
        (Manager(domain="127.0.0.1", port=443, https=Https.NONE), PLACE, "http://127.0.0.1:443"),
    ],
)
def test_the_public_url(manager: Manager, place: dict[str, str], url: str) -> None:
    settings = ClusterSettings(
        cluster="spring", region="us-east-1", owner="o", network=Network(name="n"), manager=manager
    )
    assert public_url(settings, place) == url
