"""Settings of clusters, as Hypothesis makes them up: all that a cluster.yaml can say."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bootstrap.config.choices import Base, Egress, Https
from bootstrap.config.contradictions import TAKEN_PORTS
from bootstrap.config.settings import ClusterSettings, Hub, Login, Manager, Network, Timing, Workers
from bootstrap.config.values import RETENTIONS
from lifecycle_app.contract import Signal

DIRECTORY = Path("/etc/clusters")
FILE = DIRECTORY / "cluster.yaml"

names = st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True)
printable = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
lines = st.text(printable, max_size=30)
owners = st.text(" +-=._:/@aAzZ09éß中NOnoyes", min_size=1, max_size=40).filter(lambda t: t == t.strip())
hexes = st.from_regex(r"[0-9a-f]{8,17}", fullmatch=True)
paths = st.lists(
    st.text(printable, min_size=1, max_size=9).filter(lambda t: "/" not in t), min_size=1, max_size=3
)
files = st.builds(lambda parts, base: base.joinpath(*parts), paths, st.sampled_from([DIRECTORY, Path("/")]))
decimals = st.integers(1, 7440).map(lambda tenths: tenths / 10)


def ids(kind: str) -> st.SearchStrategy[str]:
    return hexes.map(lambda digits: f"{kind}-{digits}")


def seconds(least: int, most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(least, most).map(lambda n: timedelta(seconds=n))


def lists(element: st.SearchStrategy[str], least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(element, min_size=least, max_size=3, unique=True).map(tuple)


sources = st.lists(
    st.integers(0, 2**24 - 1).map(lambda n: IPv4Network((n << 8, 24))), max_size=50, unique=True
).map(tuple)
urls = st.from_regex(r"https://[a-z]{1,9}\.(no|org)(:3128)?", fullmatch=True)
outgoing: Mapping[str, Any] = {
    "http_proxy": urls,
    "https_proxy": st.sampled_from(["", "http://10.0.0.7:80"]),
    "no_proxy": lists(st.from_regex(r"\.?[a-z]{1,9}\.no", fullmatch=True)),
    "pip_index": st.just("") | urls.map(lambda url: f"{url}/simple"),
    "apt_mirror": st.just("") | urls.map(lambda url: f"{url}/ubuntu"),
}
own_networks = st.builds(
    Network,
    **outgoing,
    name=names,
    cidr=st.integers(0, 255).map(lambda n: IPv4Network(f"10.{n}.0.0/16")),
    zones=st.sampled_from(
        [(), ("us-east-1a", "us-east-1b"), ("us-east-1c", "us-east-1-bos-1a", "us-east-1f")]
    ),
    egress=st.sampled_from(Egress),
    allowed_networks=sources,
)
existing_networks = st.builds(
    Network, name=names, vpc=ids("vpc"), manager_subnet=ids("subnet"), worker_subnets=lists(ids("subnet"), 1)
)

types = st.one_of(
    lists(st.sampled_from(["t3.medium", "m7i-flex.large", "u7i-12tb.224xlarge", "g4dn.xlarge"]), 1),
    lists(st.sampled_from(["t4g.medium", "m7gd.large", "im4gn.large"]), 1),
)
bases = st.one_of(st.sampled_from([base.value for base in Base]), ids("ami"))
packages = lists(st.from_regex(r"[a-z0-9][a-z0-9-]{0,9}(\[[a-z]+\])?(==[0-9]\.[0-9])?", fullmatch=True))
apt_packages = lists(st.from_regex(r"[a-z0-9][a-z0-9+.-]{0,9}[a-z0-9](=[0-9]\.[0-9])?", fullmatch=True))
built = st.builds(
    Workers,
    types=types,
    disk=st.integers(1, 16384),
    home_disk=st.integers(0, 16384),
    base=bases,
    packages=packages,
    apt_packages=apt_packages,
    setup=st.none() | files,
    named_servers=st.integers(0, 100),
)
ready = st.builds(Workers, types=types, image=ids("ami"))

domains = st.from_regex(r"[a-z]([a-z0-9-]{0,5}[a-z0-9])?\.(no|org|de)", fullmatch=True)
machine: Mapping[str, Any] = {
    "type": st.sampled_from(["t3.small", "t4g.small"]),
    "disk": st.integers(1, 16384),
    "state_disk": st.integers(1, 16384),
    "audit_days": st.sampled_from(RETENTIONS),
    "base": st.one_of(st.just(Base.UBUNTU.value), ids("ami")),
    "reboot_window": st.sampled_from(["Sun 04:00-05:00", "daily 23:30-00:30 Europe/Berlin", "off"]),
    "port": st.integers(1, 65535).filter(lambda port: port not in TAKEN_PORTS),
}
managers = st.one_of(
    st.builds(Manager, **machine),
    st.builds(
        Manager, domain=domains, https=st.just(Https.LETS_ENCRYPT), subdomains=st.booleans(),
        email=st.sampled_from(["", "a@b.no", "no@on.off"]), **machine,
    ),
    st.builds(
        Manager, domain=domains, https=st.just(Https.OWN), subdomains=st.booleans(), certificate=files, key=files,
        **machine,
    ),
    st.builds(
        Manager, domain=st.sampled_from(["localhost", "hub.localhost", "127.77.0.1"]), https=st.just(Https.NONE),
        **machine,
    ),
)  # fmt: skip

texts = lines.filter(bool)
github = st.fixed_dictionaries(
    {"client_id": texts | st.sampled_from(["012", "1e10", "no", "0x1f", "12345678901234567890"])},
    optional={"allowed_organizations": st.lists(texts, min_size=1, max_size=3)},
)
native = st.fixed_dictionaries(
    {}, optional={"minimum_password_length": st.integers(8, 72), "requests": st.booleans()}
)
known = st.tuples(st.just("native"), native) | st.tuples(st.just("github"), github)
logins = st.builds(
    lambda chosen, **others: Login(authenticator=chosen[0], options=chosen[1], **others),
    known,
    allow_all=st.booleans(),
    users_file=files,
)
schedules = st.one_of(
    st.just("rate(1 minute)"),
    st.integers(2, 99).map(lambda n: f"rate({n} hours)"),
    st.just("cron(0/5 8-17 ? * MON-FRI *)"),
)
timings = st.builds(
    Timing,
    report_period=st.sampled_from([timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=7)]),
    read_interval=seconds(1, 300),
    answer_limit=seconds(10, 500),
    record_schedule=schedules,
    sweep_schedule=schedules,
    reconcile_schedule=schedules,
)
endless = st.one_of(st.none(), st.integers(1, 10**7))
policies = st.fixed_dictionaries(
    {},
    optional={
        "idle_timeout": st.integers(1, 10**7),
        "busy_allowance": endless,
        "app_allowance": st.integers(0, 10**7),
        "max_lifetime": endless,
        "start_grace": st.integers(0, 10**7),
        "keep_limit": st.integers(0, 10**7),
        "budget_hours": st.one_of(st.none(), st.integers(0, 1000), st.just(2.5)),
        "budget_dollars": st.one_of(st.none(), st.integers(0, 1000), st.just(0.5)),
        "budget_grace": st.integers(0, 10**7),
        "budget_stops_work": st.booleans(),
        "shared_budget_hours": st.one_of(st.none(), st.integers(0, 1000), st.just(2.5)),
        "shared_budget_dollars": st.one_of(st.none(), st.integers(0, 1000), st.just(0.5)),
        "hung_after": st.integers(1, 10**7),
        "hung_cpu": st.one_of(st.integers(0, 100), st.integers(0, 1000).map(lambda tenths: tenths / 10)),
        "ignored_signals": st.lists(st.sampled_from(list(map(str, Signal))), unique=True),
        "signals": st.lists(st.sampled_from(["load", "work", "interaction"]), unique=True),
    },
)


def trusting(cluster: ClusterSettings) -> ClusterSettings:
    """Users of one origin have to trust each other. Without nginx, no network is kept out. Some bases lack apt."""
    if cluster.workers.base == Base.AMAZON_LINUX:
        cluster = replace(cluster, workers=replace(cluster.workers, apt_packages=()))
    if cluster.manager.https is Https.NONE:
        cluster = replace(cluster, network=replace(cluster.network, allowed_networks=()))
    if cluster.manager.has_subdomains:
        return cluster
    return replace(cluster, login=replace(cluster.login, trusted_users=True))


KEY = "0123abcd-0123-abcd-0123-0123456789ab"
tag_texts = owners.filter(bool)
tag_keys = tag_texts.filter(
    lambda text: not text.lower().startswith(("cloudjhub:", "aws:")) and text != "Name"
)
clusters = st.builds(
    ClusterSettings,
    cluster=names,
    region=st.just("us-east-1"),
    owner=owners,
    network=st.one_of(own_networks, existing_networks),
    workers=st.one_of(built, ready),
    manager=managers,
    hub=st.builds(Hub, config=st.none() | files),
    login=logins,
    timing=timings,
    policy=policies,
    permissions_boundary=st.sampled_from(["", "arn:aws:iam::123456789012:policy/OrgBoundary"]),
    role_path=st.sampled_from(["", "/project/", "/no/on.off/"]),
    role_prefix=st.sampled_from(["", "=", "1"]),
    kms_key=st.sampled_from(
        [
            "",
            f"arn:aws:kms:us-east-1:123456789012:key/{KEY}",
            "arn:aws:kms:us-east-1:123456789012:alias/notes",
        ]
    ),
    tags=st.one_of(
        st.just({}),
        st.dictionaries(tag_keys, tag_texts, max_size=5).filter(
            lambda tags: len({key.lower() for key in tags}) == len(tags)
        ),
    ),
    alerts=st.sampled_from(["", "ada@example.org"]),
    users=st.integers(1, 100_000),
    hours=decimals,
).map(trusting)
