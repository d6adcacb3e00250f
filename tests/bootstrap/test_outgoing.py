"""An institution's proxy and mirrors: what is accepted, and the files in which manager, builder and workers have it."""

import json
from configparser import RawConfigParser
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from requests.utils import should_bypass_proxies

from bootstrap.aws.scope import Scope
from bootstrap.aws.site import BuiltNetwork
from bootstrap.cluster.chalice import project_files
from bootstrap.config import outgoing as accepted
from bootstrap.config.choices import Base, Https
from bootstrap.config.outgoing import LONGEST, UNPROXIED_ROOM
from bootstrap.config.settings import ClusterSettings, Network
from bootstrap.machines import launch
from bootstrap.machines.base_images import BaseImage
from bootstrap.machines.bundle import build
from bootstrap.machines.image.additions import environment
from bootstrap.machines.image.request import Recipe, recipe
from bootstrap.machines.image.request import user_data as builders
from bootstrap.machines.launch import USER_DATA_LIMIT
from bootstrap.machines.manager import services
from bootstrap.machines.manager.config import ManagerConfig
from bootstrap.machines.manager_request import manager_config
from bootstrap.machines.manager_request import user_data as managers
from bootstrap.machines.outgoing import Outgoing
from tests.bootstrap.manager_examples import config

PROXY = "http://proxy.bank.example:3128"
BANK = Network(
    name="bank",
    http_proxy=PROXY,
    no_proxy=("mirror.bank.example", ".intranet.bank.example", "10.0.0.0/8"),
    pip_index="https://mirror.bank.example/pypi/simple",
    apt_mirror="http://mirror.bank.example/ubuntu",
)
NO_PROXY = (
    "localhost,127.0.0.1,::1,169.254.169.254,fd00:ec2::254,.amazonaws.com,.api.aws,10.77.0.0/16,mirror.bank.example,"
    ".intranet.bank.example,10.0.0.0/8"
)
ASSIGNED = "".join(
    f"{name}={value}\n"
    for case in (str.lower, str.upper)
    for name, value in (
        (case("http_proxy"), PROXY),
        (case("https_proxy"), PROXY),
        (case("no_proxy"), NO_PROXY),
    )
)
BASE = BaseImage(
    image="ami-1", system=Base.UBUNTU, architecture="arm64", root_device="/dev/sda1", root_size=8
)
BUNDLE = build()


def settings(network: Network = BANK) -> ClusterSettings:
    return ClusterSettings(cluster="bank", region="eu-west-1", owner="Data Office", network=network)


def the_managers(network: Network = BANK) -> ManagerConfig:
    return manager_config(
        settings(network),
        place={"ManagerAddress": "10.77.0.10", "WorkerGroup": "sg-1", "PublicAddress": "192.0.2.1"},
        network=BuiltNetwork("vpc-1", "subnet-1", ("subnet-2",)),
        bucket="a-bucket",
        bundle=BUNDLE.key,
        state_volume="vol-1",
        secret_versions={},
    )


def image(network: Network = BANK) -> Recipe:
    return recipe(settings(network), BASE, BUNDLE, "a-bucket")


def builder(network: Network = BANK, system: Base = Base.UBUNTU) -> dict[str, Any]:
    made_of = image(network)
    return dict(yaml.safe_load(builders(made_of.config, system, made_of.outgoing)))


def files(document: dict[str, Any]) -> dict[str, str]:
    return {one["path"]: one["content"] for one in document["write_files"]}


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (accepted.proxy_url, "http://proxy.example.org:3128"),
        (accepted.proxy_url, "https://10.0.0.7:8080"),
        (accepted.index_url, "https://artifacts.example.org:8443/api/pypi/my-index_2/simple/"),
        (accepted.mirror_url, "http://mirror/debian"),
        (accepted.unproxied, "mirror.example.org"),
        (accepted.unproxied, ".example.org"),
        (accepted.unproxied, "10.0.0.0/8"),
        (accepted.unproxied, "10.0.0.7"),
    ],
)
def test_addresses(check: Any, text: str) -> None:
    assert check(text) == text


@pytest.mark.parametrize(
    ("check", "text", "why"),
    [
        (accepted.proxy_url, "http://ada:pw@proxy.example.org:3128", "has a user or password in it"),
        (accepted.index_url, "https://token@mirror.example.org/simple", "has a user or password in it"),
        (accepted.mirror_url, "http://[@mirror.example.org", "has a user or password in it"),
        (accepted.proxy_url, "proxy.example.org:3128", "an address like http://proxy.example.org:3128"),
        (accepted.proxy_url, "socks5://proxy.example.org", "an address like http"),
        (accepted.proxy_url, "http://proxy.example.org:99999", "is not usable"),
        (accepted.proxy_url, "http://proxy.example.org/path", "remove /path"),
        (accepted.proxy_url, 'http://proxy.example.org";', "is not usable"),
        (accepted.proxy_url, "http://proxy.example.org%n", "is not usable"),
        (accepted.index_url, "http://mirror.example.org/simple", "an address like https://mirror"),
        (accepted.index_url, "https://mirror.example.org/simple?token=1", "is not usable"),
        (
            accepted.index_url,
            "https://mirror.example.org/simple\nextra-index-url = https://x",
            "is not usable",
        ),
        (accepted.mirror_url, f"http://{'a' * 64}.org/ubuntu", "is not usable"),
        (accepted.mirror_url, f"http://m.org/{'a' * 200}", "is not usable"),
        (accepted.unproxied, "10.0.0.1/8", "not an IPv4 address or range"),
        (accepted.unproxied, "10.0.0.999", "not an IPv4 address or range"),
        (accepted.unproxied, "a b", "is not usable"),
        (accepted.unproxied, "*", "is not usable"),
        (accepted.unproxied, "a,b", "is not usable"),
    ],
)
def test_what_is_refused(check: Any, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check(text)


SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/._~+-")


@given(
    st.sampled_from([accepted.proxy_url, accepted.index_url, accepted.mirror_url, accepted.unproxied]),
    st.one_of(
        st.from_regex(r"https?://[a-z]{1,3}[\s\S]{0,12}", fullmatch=True),
        st.from_regex(r"\.?[a-z0-9.]{1,9}[\s\S]{0,4}", fullmatch=True),
    ),
)
@example(accepted.mirror_url, "http://a\n")
@example(accepted.unproxied, "a\n")
def test_no_text_is_accepted_that_means_more_in_any_file(check: Any, text: str) -> None:
    """Quotes, spaces, line ends and $ % \\ # ; would mean something to systemd, apt, pip, PAM, YAML or a shell."""
    try:
        found = check(text)
    except ValueError:
        return
    assert set(found) <= SAFE


def test_the_managers_files() -> None:
    found = yaml.safe_load(managers(the_managers()))
    text = files(found)
    assert text["/etc/cloudjhub/outgoing.env"] == ASSIGNED
    assert text["/etc/pip.conf"] == "[global]\nindex-url = https://mirror.bank.example/pypi/simple\n"
    assert "/etc/environment" not in text
    assert "/etc/systemd/system.conf.d/90-cloudjhub-proxy.conf" not in text
    mirror = [{"arches": ["default"], "uri": "http://mirror.bank.example/ubuntu"}]
    assert found["apt"] == {"primary": mirror, "security": mirror}


def test_only_its_set_up_and_certbot_use_the_proxy() -> None:
    """The hub and its proxy reach users' machines directly; boto3 in other units needs no way to the internet."""
    told = the_managers()
    names = [services.SETUP, *services.units(replace(told, https=Https.LETS_ENCRYPT))]
    using = {
        name for name in names if "EnvironmentFile=/etc/cloudjhub/outgoing.env" in services.unit(name, told)
    }
    assert using == {services.SETUP, services.CERTIFICATE_UNIT}
    assert "outgoing" not in services.unit(services.SETUP, config())


def test_the_workers_files_stay_in_the_image() -> None:
    found = builder()
    text = files(found)
    [logins] = [one for one in found["write_files"] if one["path"] == "/etc/environment"]
    assert logins == {"path": "/etc/environment", "append": True, "content": f"\n{ASSIGNED}"}
    parser = RawConfigParser()
    parser.read_string(text["/etc/systemd/system.conf.d/90-cloudjhub-proxy.conf"])
    [(_, assigned)] = parser["Manager"].items()
    assert assigned == " ".join(f'"{line}"' for line in ASSIGNED.splitlines())
    assert text["/etc/pip.conf"] == "[global]\nindex-url = https://mirror.bank.example/pypi/simple\n"


def test_the_build_itself_goes_by_the_proxy_without_a_shell() -> None:
    [command] = builder()["runcmd"]
    assert command == ["env", *ASSIGNED.splitlines(), "python3", "/var/lib/cloudjhub/start.py"]
    variables = dict(line.split("=", 1) for line in ASSIGNED.splitlines())
    assert variables.items() <= environment({**variables, "SECRET": "x"}).items()
    assert "SECRET" not in environment({"SECRET": "x"})


@pytest.mark.parametrize("document", [yaml.safe_load(managers(the_managers())), builder()])
def test_apt_has_its_proxy_in_its_own_file(document: dict[str, Any]) -> None:
    """Its timers have no variables. What `no_proxy` names it fetches directly."""
    lines = files(document)["/etc/apt/apt.conf.d/91cloudjhub-proxy"].splitlines()
    direct = ("127.0.0.1", "169.254.169.254", "localhost", "mirror.bank.example")
    assert lines == [
        line
        for scheme in ("http", "https")
        for line in (
            f'Acquire::{scheme}::Proxy "{PROXY}";',
            *(f'Acquire::{scheme}::Proxy::{host} "DIRECT";' for host in direct),
        )
    ]


@pytest.mark.parametrize(
    ("url", "is_direct"),
    [
        ("http://169.254.169.254/latest/meta-data/", True),
        ("http://[fd00:ec2::254]/latest/meta-data/", True),
        ("http://localhost:8888/", True),
        ("http://127.0.0.1:8001/", True),
        ("http://[::1]:8888/", True),
        ("https://sts.eu-west-1.amazonaws.com/", True),
        ("https://bucket.s3.dualstack.eu-west-1.amazonaws.com/", True),
        ("https://ec2.eu-west-1.api.aws/", True),
        ("http://10.77.3.4:8888/", True),
        ("https://mirror.bank.example/pypi/simple/", True),
        ("https://pypi.org/simple/", False),
        ("https://amazonaws.com.example.org/", False),
    ],
)
def test_what_is_reached_without_the_proxy(url: str, is_direct: bool) -> None:
    """As requests and botocore read the variable, whatever the operator writes in `no_proxy`."""
    direct = launch.outgoing(settings()).variables["no_proxy"]
    assert bool(should_bypass_proxies(url, no_proxy=direct)) == is_direct


def test_another_proxy_for_https() -> None:
    found = launch.outgoing(settings(replace(BANK, https_proxy="http://secure.bank.example:3129"))).variables
    assert found["http_proxy"] == found["HTTP_PROXY"] == PROXY
    assert found["https_proxy"] == "http://secure.bank.example:3129"


def test_nothing_is_written_without_proxy_and_mirrors() -> None:
    plain = Network(name="bank")
    assert the_managers(plain).outgoing == {}
    for document in (yaml.safe_load(managers(the_managers(plain))), builder(plain)):
        assert "apt" not in document
        assert not any(
            "proxy" in path or "pip" in path or path == "/etc/environment" for path in files(document)
        )


def test_a_mirror_alone_needs_no_variables() -> None:
    found = Outgoing(pip_index="https://mirror.example.org/simple", no_proxy=("localhost",))
    assert found.variables == {}
    assert [one["path"] for one in found.files(is_worker=True)] == ["/etc/pip.conf"]


def test_amazon_linux_has_no_archive_for_apt() -> None:
    assert "apt" not in builder(system=Base.AMAZON_LINUX)


def test_another_proxy_makes_another_image_and_manager() -> None:
    other = replace(BANK, http_proxy="http://other.bank.example:3128")
    assert image(other).content != image().content
    assert image().content == image().content
    assert managers(the_managers(other)) != managers(the_managers())
    assert ManagerConfig.from_json(the_managers().to_json()) == the_managers()


def test_the_longest_settings_fit_into_user_data() -> None:
    host = f"{'a' * 60}.{'a' * 40}"
    long = replace(
        BANK,
        http_proxy=f"http://{host}:65535",
        https_proxy=f"https://{host}:65535",
        no_proxy=tuple(f".{n:03}{'b' * 46}" for n in range(6)),
        pip_index=f"https://{host}/{'c' * 9}",
        apt_mirror=f"https://{host}/{'d' * 9}",
    )
    assert sum(map(len, long.no_proxy)) == UNPROXIED_ROOM
    assert len(long.pip_index) > LONGEST - 5
    assert len(managers(the_managers(long)).encode()) < USER_DATA_LIMIT - 2000
    # What is left out here: names of the bucket and of the operator's additions.
    assert len(json.dumps(builder(long)).encode()) < USER_DATA_LIMIT - 1000


def test_functions_know_nothing_of_it() -> None:
    """They run outside the VPC: neither their settings nor their code name the proxy."""
    sources = project_files(Scope(cluster="bank"), {}, {})
    assert not any(b"http_proxy" in text or b"no_proxy" in text for text in sources.values())
