"""cluster.yaml as it is read: what is right has its default or its value, what is wrong is one line with the fix."""

import re
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from botocore.session import get_session
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bootstrap.config.choices import Https
from bootstrap.config.document import parse
from bootstrap.config.partitions import SUPPORTED
from bootstrap.config.reading import read_settings, settings_in
from bootstrap.config.settings import ClusterSettings, Hub, Network, Profile
from bootstrap.config.values import architecture, free
from bootstrap.config.writing import text
from bootstrap.errors import SettingsError
from tests.bootstrap.cluster_settings import DIRECTORY, FILE, clusters

TOP = "cluster: physics\nregion: us-east-1\nowner: Ada\n"


def read(more: str, top: str = TOP) -> ClusterSettings:
    """Where neither has a section `login`, all users trust each other."""
    login = "" if "login:" in more or top.startswith("~") else "\nlogin: {trusted_users: true}\n"
    return settings_in((top + more + login).encode(), FILE)


def refusal(more: str, top: str = TOP) -> str:
    with pytest.raises(SettingsError) as caught:
        read(more, top)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(FILE))
    return message


def test_four_lines_make_a_cluster() -> None:
    found = read("login: {trusted_users: true}\n")
    assert found.cluster == "physics"
    assert found.network == Network(name="physics")
    assert found.login.users_file == DIRECTORY / "users"
    assert found.users == 20


def test_sections_without_a_line_of_their_own_have_defaults() -> None:
    assert read("network:\n  # cidr: 10.0.0.0/16\nworkers:\npolicy:\ntiming: ~\n") == read("")


def test_values_take_the_place_of_defaults() -> None:
    found = read(
        "network: {name: shared, cidr: 192.168.0.0/20, zones: [us-east-1a, us-east-1b]}\n"
        "workers: {types: t4g.small, disk: 30}\n"
        "manager: {domain: hub.example.org, https: lets-encrypt}\n"
        "policy: {idle_timeout: 1h30m, busy_allowance: never}\n"
    )
    assert found.network.cidr == IPv4Network("192.168.0.0/20")
    assert found.workers.types == ("t4g.small",)
    assert found.manager.https is Https.LETS_ENCRYPT
    assert found.policy == {"idle_timeout": 5400, "busy_allowance": None}


@pytest.mark.parametrize(
    ("written", "owner"),
    [("NO", "NO"), ("on", "on"), ("1:30", "1:30"), ("012", "012"), ("0x1F", "0x1F"), ("1e3", "1e3"),
     ("2026-01-02", "2026-01-02"),
     ('"null"', "null"), ("Ada Lovelace # and others", "Ada Lovelace")],
)  # fmt: skip
def test_text_is_what_is_written(written: str, owner: str) -> None:
    assert read("", f"cluster: a\nregion: us-east-1\nowner: {written}\n").owner == owner


@pytest.mark.parametrize(
    "written", ["012", "0x10", "1_0", "1e1", '"16"', "16.0", "-1", "0", "16385", "sixteen", "1:30", "[16]"]
)
def test_whole_numbers_are_decimal_digits(written: str) -> None:
    assert "workers.disk" in refusal(f"workers: {{disk: {written}}}")


@pytest.mark.parametrize("written", ["yes", "no", "on", "True", "1", "y"])
def test_flags_are_true_or_false(written: str) -> None:
    assert "true or false" in refusal(f"login: {{allow_all: {written}}}")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("3600", 3600),
        ("90s", 90),
        ("15m", 900),
        ("1h", 3600),
        ("2d", 172_800),
        ("1h30m", 5400),
        ('"1h"', 3600),
    ],
)
def test_durations(written: str, seconds: int) -> None:
    assert read(f"policy: {{idle_timeout: {written}}}").policy["idle_timeout"] == seconds


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("never", None),
        ("0s", timedelta(0)),
        ("12h", timedelta(hours=12)),
        ("366d", timedelta(days=366)),
    ],
)
def test_root_disks_are_kept_for_a_time_or_always(written: str, kept: timedelta | None) -> None:
    assert read(f"workers: {{root_kept: {written}}}").workers.root_lasts == kept
    assert read(f"workers: {{root_kept: {written}, home_disk: 0}}").workers.root_lasts is None
    assert read("").workers.root_lasts == timedelta(hours=12)


def test_how_the_hub_looks() -> None:
    found = read(
        "hub: {brand: Physics Notebooks, color: '#1D5A8A', logo: logo.svg, login_text: 'Help: it@example.org'}"
    )
    assert found.hub == Hub(
        brand="Physics Notebooks",
        color="#1d5a8a",
        logo=DIRECTORY / "logo.svg",
        login_text="Help: it@example.org",
    )
    assert settings_in(text(found, DIRECTORY).encode(), FILE) == found


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("color: '#f37524'", "hub.color: is too light: white text on it has a contrast of 2.84:1"),
        ("color: orange", "hub.color: is not a colour"),
        (f"brand: {'x' * 41}", "hub.brand: has 41 characters: 40 is the most"),
        (f"login_text: {'x' * 501}", "hub.login_text: has 501 characters: 500 is the most"),
    ],
)
def test_how_the_hub_cannot_look(written: str, message: str) -> None:
    assert message in refusal(f"hub: {{{written}}}")


LONG = "ü" * 160
STANDARD = "{name: Standard, types: [t4g.medium, t4g.small]}"


def test_profiles_take_the_place_of_types() -> None:
    found = read(
        f"workers:\n  profiles:\n    - {STANDARD}\n    - name: Big data\n      description: For the project\n"
        "      types: m7g.xlarge\n      groups: [physics, data science]\n      disk: 30\n"
    ).workers
    assert found.profiles == (
        Profile(name="Standard", types=("t4g.medium", "t4g.small")),
        Profile(
            name="Big data",
            description="For the project",
            types=("m7g.xlarge",),
            groups=("physics", "data science"),
            disk=30,
        ),
    )
    assert found.all_types == ("t4g.medium", "t4g.small", "m7g.xlarge")
    assert read("workers: {types: [t3.small]}").workers.all_types == ("t3.small",)


def test_profiles_are_written_as_they_are_read() -> None:
    found = read(
        f"workers: {{profiles: [{STANDARD}, {{name: 'A: b', types: [t4g.large], groups: [x], disk: 9}}]}}"
    )
    assert settings_in(text(found, DIRECTORY).encode(), FILE) == found


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (f"types: [t4g.small], profiles: [{STANDARD}]", "workers.types: profiles name their own types"),
        (f"profiles: [{STANDARD}, {{name: standard, types: [t4g.large]}}]", "workers.profiles.2.name"),
        ("profiles: [{name: A, types: [t3.small, t4g.small]}]", "workers.profiles: one image cannot run on all"),
        ("profiles: [{name: A, types: [t3.small], disk: 7}]", "workers.profiles.1.disk: the image needs 8 GB"),
        ("profiles: [{name: A, types: []}]", "workers.profiles.1.types: is empty: give it a value"),
        ("profiles: [{types: [t3.small]}]", "workers.profiles.1: name is missing"),
        ("profiles: [{name: A, types: [t3.small], group: b}]", "there is no such setting: did you mean groups?"),
        ("profiles: [{name: A, types: [t3.small], type: b}]", "there is no such setting: did you mean types?"),
        ("profiles: [{name: A, types: [big]}]", "set it to an instance type like t3.medium"),
        ("profiles: [A]", "workers.profiles.1: must hold indented lines below it, with name, types"),
        ("profiles: {name: A, types: [t3.small]}", "workers.profiles: must be a list"),
        (f"profiles: [{{name: {'A' * 41}, types: [t3.small]}}]", "has 41 characters: 40 is the most"),
        (f"profiles: [{{name: A, description: {'b' * 161}, types: [t3.small]}}]", "161 characters: 160 is the most"),
        ("profiles: [{name: A, types: [t3.small], disk: big}]", "set it to a whole number from 0 to 16384"),
        (
            f"profiles: [{', '.join(f'{{name: p{n}, types: [t3.small]}}' for n in range(13))}]",
            "has 13 entries: 12 is the most",
        ),
        (
            f"profiles: [{', '.join(f'{{name: p{n}, description: {LONG}, types: [t3.small]}}' for n in range(4))}]",
            "the manager's user data has room for 3500",
        ),
    ],
    ids=range(16),
)  # fmt: skip
def test_profiles_that_cannot_be(written: str, message: str) -> None:
    assert message in refusal(f"workers: {{{written}}}")


@pytest.mark.parametrize("written", ["no", "367d", "-1h", "soon", "12 h", "1.5d"])
def test_what_is_no_time_for_a_root_disk(written: str) -> None:
    assert "workers.root_kept" in refusal(f"workers: {{root_kept: {written}}}")


def test_periods_are_durations_too() -> None:
    assert read("timing: {report_period: 2m}").timing.report_period == timedelta(minutes=2)


@pytest.mark.parametrize(
    "written", ["1:30", "1.5h", "h", "-1h", "1h2d", "01:00:00", "never", "[]", "1 h", "99999999999d"]
)
def test_what_is_no_duration(written: str) -> None:
    assert "policy.idle_timeout" in refusal(f"policy: {{idle_timeout: {written}}}")


@pytest.mark.parametrize(
    ("written", "found"),
    [("abc", "abc"), ("12", 12), ("-1", -1), ("1.5", 1.5), ("true", True), ("null", None),
     ('"012"', "012"), ("a:b", "a:b"),
     ("[a, {b: 1}]", ["a", {"b": 1}]), ('"yes"', "yes")],
)  # fmt: skip
def test_options_have_the_type_that_everyone_sees(written: str, found: object) -> None:
    assert free(parse(f"option: {written}".encode(), FILE).values) == {"option": found}


@pytest.mark.parametrize(
    "written", ["yes", "NO", "off", "012", "0x1f", "0o17", "1e10", "12345678901234567890", "1_000"]
)
def test_options_that_could_be_text_or_not_are_asked_about(written: str) -> None:
    assert "in quotes" in refusal(f"login: {{authenticator: github, options: {{client_id: {written}}}}}")


@pytest.mark.parametrize("name", ["client_secret", "lookup_dn_search_password"])
def test_secrets_are_sent_elsewhere(name: str) -> None:
    message = refusal(f"login: {{options: {{{name}: hunter2}}}}")
    assert "cloudjhub secrets set" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("tags", "wrong"),
    [
        ('{CostCenter: "48-1123", DataClass: internal, Environment: no, Größe: 7, "a b:c/d@e": x}', None),
        ("{}", None),
        ("CostCenter", "must hold indented lines below it, like `name: value`"),
        ("{CostCenter: }", "tags.CostCenter: is empty: give it a value or remove the line"),
        ("{CostCenter: ''}", "tags.CostCenter: is empty: give it a value or remove the line"),
        ("{CostCenter: [1, 2]}", "tags.CostCenter: must be one value"),
        ("{CostCenter: 1, CostCenter: 2}", "tags.CostCenter: given twice"),
        ("{CostCenter: 1, costcenter: 2}", "tags: CostCenter and costcenter differ in case only"),
        ("{Name: hub}", "tags.Name: is set by cloudJHub or AWS: use a key other than Name"),
        ("{name: hub}", "tags.name: is set by cloudJHub or AWS"),
        ("{'cloudjhub:role': manager}", "tags.cloudjhub:role: is set by cloudJHub or AWS"),
        ("{'aws:created': x}", "tags.aws:created: is set by cloudJHub or AWS"),
        ("{'AWS:created': x}", "tags.AWS:created: is set by cloudJHub or AWS"),
        ("{Cost*: 1}", "tags.Cost*: cannot have '*' in it: use up to 128 letters"),
        ("{Cost: a*}", "tags.Cost: cannot have '*' in it: use up to 256 letters"),
        (f"{{{'k' * 128}: {'v' * 256}}}", None),
        (f"{{k: {'v' * 257}}}", "tags.k: is too long or has spaces around it: use up to 256"),
        (f"{{{', '.join(f'k{n}: v' for n in range(20))}}}", None),
        (f"{{{', '.join(f'k{n}: v' for n in range(21))}}}", "tags: has 21 tags: 20 is the most"),
        (f"{{a: {'v' * 256}, b: {'v' * 256}, c: {'v' * 235}}}", None),
        (
            f"{{a: {'v' * 256}, b: {'v' * 256}, c: {'v' * 236}}}",
            "tags: has 751 characters in all keys and values: 750 is the most",
        ),
    ],
)
def test_tags_are_what_every_service_takes(tags: str, wrong: str | None) -> None:
    if wrong is None:
        assert isinstance(read(f"tags: {tags}").tags, dict)
    else:
        assert wrong in refusal(f"tags: {tags}")


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("permissions_boundary: arn:aws:iam::123456789012:policy/OrgBoundary", None),
        ("permissions_boundary: arn:aws-us-gov:iam::123456789012:policy/team/OrgBoundary", None),
        ("permissions_boundary: arn:aws:iam::aws:policy/PowerUserAccess", None),
        (
            "permissions_boundary: OrgBoundary",
            "set it to a policy's ARN, like arn:aws:iam::123456789012:policy/",
        ),
        ("permissions_boundary: arn:aws:iam::123456789012:role/x", "set it to a policy's ARN"),
        ("role_path: /project/", None),
        ("role_path: /org/project/", None),
        ("role_path: project", "set it to a path like /project/"),
        ("role_path: /project", "set it to a path like /project/"),
        ("role_path: /", "set it to a path like /project/"),
        ("role_path: //", "set it to a path like /project/"),
        ("role_path: /a*/", "set it to a path like /project/"),
        (f"role_path: /{'p' * 62}/", None),
        (f"role_path: /{'p' * 63}/", "of at most 64 characters"),
        ("role_prefix: proj-", None),
        ("role_prefix: 'a b'", "set it to up to 32 letters, digits and"),
        (f"role_prefix: {'p' * 26}", None),
        (
            f"role_prefix: {'p' * 27}",
            "would have a name of 65 characters, and IAM allows 64: shorten it by 1",
        ),
    ],
)
def test_roles_can_be_as_an_institution_wants_them(line: str, wrong: str | None) -> None:
    """The longest role of `physics` has 38 characters."""
    if wrong is None:
        read(line)
    else:
        assert wrong in refusal(line)


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ("alerts: ada@example.org\nbill_alarm: 250", None),
        ("alerts: ada@example.org\nbill_alarm: 0", None),
        ("bill_alarm: 250", "has no one to write to: add `alerts`"),
        ("alerts: ada@example.org\nbill_alarm: -1", "bill_alarm"),
    ],
)
def test_an_alarm_about_the_bill_needs_an_address(lines: str, wrong: str | None) -> None:
    if wrong is None:
        read(lines)
    else:
        assert wrong in refusal(lines)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("kms_key: arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef", None),
        ("kms_key: arn:aws:kms:us-east-1:123456789012:key/mrk-0123456789abcdef0123456789abcdef", None),
        ("kms_key: arn:aws:kms:us-east-1:123456789012:alias/team/notebooks", None),
        ("kms_key: 01234567-89ab-cdef-0123-456789abcdef", "set it to the ARN of your key or of"),
        ("kms_key: alias/notebooks", "set it to the ARN of your key or of an alias of it"),
        ("kms_key: arn:aws:kms:us-east-1:123456789012:alias/aws/ebs", "set it to the ARN of your key"),
        ("kms_key: arn:aws:kms:eu-west-1:123456789012:alias/notebooks", "is a key of eu-west-1, and disks"),
    ],
)
def test_a_kms_key_is_an_arn_of_the_region(line: str, wrong: str | None) -> None:
    if wrong is None:
        assert read(line).kms_key == line.removeprefix("kms_key: ")
    else:
        assert wrong in refusal(line)


def test_a_key_of_129_characters_is_no_key_of_a_tag() -> None:
    with pytest.raises(ValidationError, match="use up to 128"):
        TypeAdapter(ClusterSettings).validate_python(
            {"cluster": "a", "region": "us-east-1", "owner": "a", "network": {}, "tags": {"k" * 129: "v"}}
        )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("regoin: eu-north-1", r"line 4: regoin: .*did you mean region\?"),
        ("workers:\n  dsik: 16", r"line 5: workers.dsik: .*did you mean disk\?"),
        ("workers: {home-disk: 5}", r"did you mean home_disk\?"),
        ("domain: hub.example.org", "domain belongs below `manager:`"),
        ("policy: {idletimeout: 1h}", r"policy.idletimeout: .*did you mean idle_timeout\?"),
        ("zzz: 1", "there are cluster, region"),
        ("users: 1\nusers: 2", "users: given twice"),
        ("users:", "users: is empty"),
        ("users: [1]", "users: must be one value"),
        ("workers: 3", "workers: must hold indented lines"),
        ("users: &a 1", None),
        ("hours: *a", "alias"),
        ("hours: !!float 3", "tag"),
        ("hours: !secret 3", "tag"),
        ('owner2: "a\\nb"', "line break"),
        ("network: {cidr: 8.8.0.0/16}", "private range"),
        ("network: {cidr: 10.77.0.0/15}", "of size /16 to /24"),
        ("network: {cidr: 10.77.0.0/25}", "of size /16 to /24"),
        ("network: {cidr: 10.77.3.0/16}", "set it to 10.77.0.0/16"),
        ("network: {cidr: 10.77/16}", "not an address range"),
        ("network: {cidr: 127.77.0.0/16}", None),
        ("network: {zones: [us-east-1a]}", "two zones or more"),
        ("network: {zones: [us-east-1a, us-east-1a]}", "twice"),
        ("network: {zones: [eu-north-1a, us-east-1a]}", "not in the region us-east-1"),
        ("network: {zones: us-east-1}", "a zone of the region"),
        ("network: {egress: nat}", "nat-gateway"),
        ("network: {name: Physics}", "lower-case"),
        ("network: {vpc: vpc-12345678}", "set network.manager_subnet"),
        ("network: {vpc: vpc-12345678, manager_subnet: subnet-12345678}", "set network.worker_subnets"),
        ("network: {manager_subnet: subnet-12345678}", "set network.vpc"),
        (
            "network: {vpc: vpc-12345678, manager_subnet: subnet-12345678, worker_subnets: subnet-12345678, zones: []}",
            "network.zones: an existing VPC has its own",
        ),
        ("network: {vpc: my-vpc}", "a VPC's id"),
        ("network: {allowed_networks: [192.0.2.0/24, 10.0.0.0/8, 198.51.100.7]}", None),
        (
            "network: {allowed_networks: [campus]}",
            "campus.* is not an IPv4 range: set it to one like 192.0.2.0.24",
        ),
        ("network: {allowed_networks: ['2001:db8::/32']}", "is not an IPv4 range: set it to one like"),
        ("network: {allowed_networks: [192.0.2.9/24]}", "set it to 192.0.2.0/24, or 192.0.2.9/32"),
        ("network: {allowed_networks: [0.0.0.0/0]}", "every address, as without this line: remove it"),
        ("network: {allowed_networks: [192.0.2.0/24, 192.0.2.0/24]}", "twice"),
        (
            f"network: {{allowed_networks: [{', '.join(f'10.0.{n}.0/24' for n in range(51))}]}}",
            "50 is the most",
        ),
        (
            "network: {http_proxy: 'http://ada:pw@proxy.example.org'}",
            "network.http_proxy: has a user or password in it",
        ),
        ("network: {https_proxy: 'http://proxy.example.org:3128', no_proxy: [10.0.0.0/8]}", None),
        (
            f"network: {{http_proxy: 'http://p', no_proxy: [{'a' * 60}, {', '.join(c * 60 for c in 'bcdefg')}]}}",
            "and 300 is the most",
        ),
        ("network: {pip_index: 'http://mirror.example.org/simple'}", "an address like https://mirror"),
        ("network: {apt_mirror: mirror.example.org}", "an address like http://mirror"),
        (
            "network: {allowed_networks: 192.0.2.0/24}\nmanager: {domain: localhost, https: none}",
            "network.allowed_networks: is held by nginx, which `https: none` does without: remove it",
        ),
        ("workers: {types: []}", "must name a type"),
        ("workers: {types: [t3.medium, t4g.medium]}", "t3.medium is x86_64 and t4g.medium is arm64"),
        ("workers: {types: [medium]}", "like t3.medium"),
        ("workers: {base: windows}", "ubuntu-24.04, al2023 or an AMI's id"),
        ("workers: {image: ami-12345678, base: al2023}", "without a base"),
        ("workers: {image: ami-12345678, packages: pandas}", "ready image"),
        ("workers: {packages: [--index-url=http://evil]}", "a Python package"),
        (
            "workers: {apt_packages: [r-base, g++, libstdc++-12-dev, r-base-core=4.3.3-2build2, 'x=1:2~3']}",
            None,
        ),
        ("workers: {apt_packages: r-base-}", "a package as Debian and Ubuntu name it"),
        ("workers: {apt_packages: [-y]}", "a package as Debian"),
        ("workers: {apt_packages: ['r-*']}", "a package as Debian"),
        ("workers: {apt_packages: ['r-base/noble']}", "a package as Debian"),
        ("workers: {apt_packages: ['r-base ; reboot']}", "a package as Debian"),
        ("workers: {apt_packages: [R-base]}", "a package as Debian"),
        (
            "workers: {image: ami-12345678, apt_packages: r-base}",
            "workers.apt_packages: nothing is installed into a ready",
        ),
        (
            "workers: {image: ami-12345678, setup: setup.sh}",
            "workers.setup: nothing is installed into a ready",
        ),
        ("workers: {base: al2023, setup: setup.sh}", None),
        ("workers: {setup: [a.sh, b.sh]}", "workers.setup: must be one value"),
        ("workers: {base: al2023, apt_packages: r-base}", "workers.apt_packages: al2023 has no apt"),
        ("manager: {base: al2023}", "based on Debian"),
        ("manager: {https: lets-encrypt}", "set manager.domain"),
        ("manager: {https: lets-encrypt, domain: 10.0.0.1}", "names only"),
        ("manager: {https: own-certificate, domain: a.org}", "manager.certificate"),
        ("manager: {https: own-certificate, domain: a.org, certificate: a.pem}", "manager.key"),
        ("manager: {certificate: a.pem}", "own-certificate` only"),
        ("manager: {https: none}", "unencrypted"),
        ("manager: {https: none, domain: hub.example.org}", "unencrypted"),
        ("manager: {https: none, domain: localhost, port: 8000}", None),
        ("manager: {subdomains: true}", "set manager.domain to a name in the DNS"),
        ("manager: {subdomains: true, domain: 10.0.0.1}", "set manager.domain to a name in the DNS"),
        ("manager: {https: lets-encrypt, domain: a.org}", None),
        (
            "login: {}",
            "login.trusted_users: .*: set manager.domain to a name in the DNS, or, if all users trust",
        ),
        (
            "login: {}\nmanager: {domain: a.org, subdomains: false}",
            "remove `subdomains: false`, or, if all users",
        ),
        ("login: {}\nmanager: {domain: a.org}", None),
        ("login: {}\nmanager: {domain: hub.localhost, https: none}", None),
        ("login: {}\nmanager: {domain: localhost, https: none}", "login.trusted_users: Users can take over"),
        ("login: {trusted_users: true}\nmanager: {domain: a.org, subdomains: false}", None),
        ("manager: {hosted_zone: Z1}", "manager.hosted_zone: is for a domain"),
        ("manager: {hosted_zone: none, domain: hub.localhost}", "manager.hosted_zone: is for a domain"),
        ("manager: {hosted_zone: none, domain: a.org}", None),
        ("manager: {hosted_zone: example.org, domain: a.org}", "none, or the id of the hosted zone"),
        ("manager: {acme_zone: Z1, domain: a.org}", "manager.acme_zone: is for Let's Encrypt"),
        ("manager: {acme_zone: none, domain: a.org, https: lets-encrypt}", "a hosted zone's id"),
        ("manager: {acme_zone: Z1, domain: a.org, https: lets-encrypt}", None),
        ("manager: {domain: https://hub.example.org}", "name in the DNS"),
        ("manager: {private_address: 10.78.0.9}", "not in the network 10.77.0.0/16"),
        ("manager: {port: 65536}", "from 1 to 65535"),
        ("manager: {port: 80}", "80 is used by the manager itself: take another"),
        ("manager: {port: 8081}", "8081 is used by the manager itself: take another"),
        ("login: {authenticator: github}", "login.options: github needs the option client_id"),
        ("login: {authenticator: github, options: {client_id: a, clientid: b}}", "no option 'clientid'"),
        ("login: {options: {minimum_password_length: 4}}", "from 8 to 72"),
        ("login: {authenticator: gihub}", r"did you mean github\?"),
        ("login: {authenticator: shared-password}", "share one password"),
        (
            "login: {authenticator: shared-password, trusted_users: true}\nmanager: {domain: 127.0.0.1, https: none}",
            None,
        ),
        ("login: {users_file: ~no-user-has-this-name/users}", "home directory"),
        ("timing: {report_period: 45s}", "whole minutes"),
        ("timing: {sweep_schedule: rate(1 minutes)}", "EventBridge"),
        ("timing: {sweep_schedule: rate(5 minute)}", "EventBridge"),
        ("policy: {signals: work}", "must be a list"),
        ("policy: {signals: [tea]}", "unknown signal 'tea'"),
        ("policy: {hung_cpu: 101}", "percentage"),
        ("policy: {idle_timeout: 0}", "from 1 to"),
    ],
)
def test_what_is_wrong_is_told_with_its_fix(more: str, said: str | None) -> None:
    """None: nothing is wrong."""
    if said is None:
        read(more)
        return
    assert re.search(said, refusal(more))


SDK = get_session()
REGIONS = [
    (partition, region)
    for partition in SDK.get_available_partitions()
    for region in SDK.get_available_regions("ec2", partition)
]


@pytest.mark.parametrize(("partition", "region"), REGIONS)
def test_regions_of_other_partitions_are_refused(partition: str, region: str) -> None:
    """Of all regions that botocore knows; a region of a partition that AWS adds must be named in `partitions`."""
    top = f"cluster: physics\nregion: {region}\nowner: Ada\n"
    if partition == SUPPORTED:
        assert read("", top).region == region
    else:
        assert re.search(rf"line 2: region: {region} is in .* does not support: set it to", refusal("", top))


@pytest.mark.parametrize("missing", ["cluster", "region", "owner"])
def test_what_is_needed_is_named(missing: str) -> None:
    top = "\n".join(line for line in TOP.splitlines() if not line.startswith(missing))
    assert f"{missing} is missing" in refusal("", top)


@pytest.mark.parametrize("content", ["", "# nothing\n", "~\n", "---\n"])
def test_an_empty_file_lacks_everything(content: str) -> None:
    assert "cluster is missing" in refusal("", content)


@pytest.mark.parametrize("name", ["Physics", "1a", "a" * 33, "a_b", "a/b", "a*"])
def test_names_of_clusters_are_narrow(name: str) -> None:
    assert "cluster" in refusal("", f'cluster: "{name}"\nregion: us-east-1\nowner: Ada\n')


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    file = tmp_path / "cluster.yaml"
    file.write_text(
        TOP
        + "login: {users_file: people.txt, trusted_users: true}\n"
        + "manager: {https: own-certificate, certificate: ~/a.pem, key: /k.pem}\n"
    )
    found = read_settings(file)
    assert found.login.users_file == tmp_path / "people.txt"
    assert found.manager.certificate == Path("/home/ada/a.pem")
    assert found.manager.key == Path("/k.pem")


def test_a_missing_file_leads_to_init(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cloudjhub init"):
        read_settings(tmp_path / "cluster.yaml")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_bytes(b"#" * 300_000)
    with pytest.raises(SettingsError, match="not a settings file"):
        read_settings(file)


def survives(content: bytes) -> None:
    """It is read, or refused in one line that any terminal can show."""
    message = ""
    try:
        settings_in(content, FILE)
    except SettingsError as error:
        message = str(error)
    assert message.isprintable()


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode(errors="surrogatepass")))
@example(b"\xff\xfea\x00")
@example(b'"\\UFFFFFFFF": 1')
@example(b"[" * 5000)
@example(b"{a: " * 500)
@example(b"- - " * 300)
@example(b"? " * 500)
@example(b'a: "\\ud800"')
@example(b"a: &x [*x]")
@example(b"\x00")
@example(b"%TAG ! tag:yaml.org,2002:python/\n--- !name:os.system x")
@settings(deadline=None, max_examples=120)
def test_no_bytes_break_it(content: bytes) -> None:
    survives(content)


@given(clusters, st.data())
@settings(deadline=None, max_examples=60)
def test_no_edit_of_a_good_file_breaks_it(cluster: ClusterSettings, data: st.DataObject) -> None:
    content = bytearray(text(cluster, DIRECTORY).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = min(len(content), start + data.draw(st.integers(0, 12)))
        content[start:end] = data.draw(
            st.sampled_from(
                [b"", b"x", b"\n", b": ", b"- ", b"[", b'"', b"~", b"99999999999", b"\t", b"*", b"#"]
            )
        )
    survives(bytes(content))


@pytest.mark.parametrize(
    ("name", "known"),
    [("t3.medium", "x86_64"), ("t4g.medium", "arm64"), ("m7gd.large", "arm64"), ("im4gn.large", "arm64"),
     ("a1.large", "arm64"),
     ("g4dn.xlarge", "x86_64"), ("g5g.xlarge", "arm64"), ("is4gen.large", "arm64"), ("c6gn.large", "arm64"),
     ("m7i-flex.large", "x86_64"),
     ("u7i-12tb.224xlarge", "x86_64"), ("m5zn.metal", "x86_64"), ("t3a.small", "x86_64")],
)  # fmt: skip
def test_architectures(name: str, known: str) -> None:
    assert architecture(name) == known


@pytest.mark.parametrize(
    ("written", "path"),
    [("~/a", Path.home() / "a"), ("./~", Path("/etc/clusters/~")), ("./~a/b", Path("/etc/clusters/~a/b"))],
)
def test_only_what_begins_with_a_tilde_is_at_home(written: str, path: Path) -> None:
    found = settings_in(
        f"cluster: a\nregion: us-east-1\nowner: x\nlogin: {{trusted_users: true, users_file: {written}}}\n".encode(),
        Path("/etc/clusters/cluster.yaml"),
    )
    assert found.login.users_file == path
