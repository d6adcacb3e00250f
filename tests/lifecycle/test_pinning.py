"""A hub whose certificate no public authority has issued: only this certificate is trusted, at its own address."""

from pathlib import Path

import pytest

from lifecycle_app.adapters.hub_client import HubClient
from lifecycle_app.adapters.hub_session import is_certificate, session
from lifecycle_app.contract import Drain, Level
from lifecycle_app.errors import HubAnswerOdd
from lifecycle_app.settings import settings
from lifecycle_app.wiring import build
from tests.certificates import AUTHORITY, Certificate, certificate_for
from tests.lifecycle.examples import NOON
from tests.lifecycle.hub_server import hub_server
from tests.lifecycle.test_hub_contract import DRAINED, WORKER, Token
from tests.lifecycle.test_settings import WHOLE

OURS, OTHER, ELSEWHERE = (certificate_for(one) for one in ("127.0.0.1", "127.0.0.1", "127.0.0.2"))
ISSUED, ALSO_ISSUED = (certificate_for("127.0.0.1", AUTHORITY) for _ in range(2))


def drain(api: str, pinned: str | None) -> bool:
    with session(pinned) as made:
        return HubClient(api, Token(), made).drain(WORKER, Drain.IDLE, NOON, Level.LOAD).drained


@pytest.mark.parametrize("pinned", [OURS, ISSUED], ids=["self-signed", "of-a-private-authority"])
def test_pinned_certificate_is_trusted(pinned: Certificate, tmp_path: Path) -> None:
    with hub_server(pinned.server(tmp_path)) as hub:
        hub.answers = [(200, DRAINED)]
        assert drain(hub.api, pinned.certificate)


@pytest.mark.parametrize(
    ("served", "pinned"),
    [
        (OTHER, OURS.certificate),
        (OURS, None),
        (ELSEWHERE, ELSEWHERE.certificate),
        (ALSO_ISSUED, ISSUED.certificate),
    ],
    ids=["changed", "not-pinned", "of-another-address", "of-the-same-authority"],
)
def test_any_other_certificate_is_unknown_and_is_sent_nothing(
    served: Certificate, pinned: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown, not down: it must not let anybody be stopped."""
    trusted = tmp_path / "bundle.pem"
    trusted.write_text(OTHER.certificate)
    if pinned:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    with hub_server(served.server(tmp_path)) as hub:
        hub.answers = [(200, DRAINED)]
        with pytest.raises(HubAnswerOdd, match="certificate"):
            drain(hub.api, pinned)
        assert hub.asked == []


def test_it_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    found = settings(WHOLE | {"CLOUDJHUB_HUB_CERTIFICATE": OURS.certificate})
    assert found.hub_certificate == OURS.certificate
    assert settings(WHOLE).hub_certificate is None
    assert build(found).cluster == "dev"


def test_one_certificate_is_one() -> None:
    assert is_certificate(OURS.certificate)
    assert not is_certificate(OURS.certificate + OTHER.certificate)
    assert not is_certificate(OURS.key)
