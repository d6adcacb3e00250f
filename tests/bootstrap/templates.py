"""Every variant of every template, by a name, as the tests and linters look at them."""

from dataclasses import replace
from ipaddress import IPv4Network

from bootstrap.aws.scope import Challenge, Scope
from bootstrap.cluster.templates import (
    BillAlarm,
    Position,
    access_template,
    data_template,
    network_template,
    place_template,
)
from bootstrap.cluster.templates.endpoints import GATEWAYS, Endpoints
from bootstrap.cluster.templates.parts import Template
from bootstrap.cluster.templates.place import PRIVATE_RANGES
from bootstrap.config.choices import INTERFACE_ENDPOINTS, Egress

BODY_LIMIT = 51_200
"""Bytes of a template that is not in a bucket."""
ACCOUNT, REGION = "123456789012", "us-east-1"
ZONES = ["us-east-1a", "us-east-1b", "us-east-1c"]
NETWORK = IPv4Network("10.0.0.0/16")
BUCKET = f"cloudjhub-spring-{ACCOUNT}-{REGION}"
CHALLENGE = Challenge("Z0123456789ABC", "_acme-challenge.hub.example.org")
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef"
ROUTES = "rtb-0123456789abcdef0"


def position(
    *, ports: tuple[int, ...] = (80, 443), address: str = "", routes: str = "", names: tuple[str, ...] = ()
) -> Position:
    return Position(
        cluster="spring",
        vpc="vpc-0123456789abcdef0",
        subnet="subnet-0123456789abcdef0",
        ports=ports,
        private_address=address,
        forwards_for=routes,
        zone="Z0123456789ABC" if names else "",
        names=names,
    )


PRIVATE = replace(position(), is_private=True, sources=PRIVATE_RANGES)
ENDPOINTS = Endpoints(
    region=REGION,
    services=(*INTERFACE_ENDPOINTS, *GATEWAYS),
    subnets=("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
    tables=(ROUTES,),
)


def variants() -> dict[str, Template]:
    scope = Scope(cluster="spring", account=ACCOUNT, region=REGION)
    narrow = Scope(
        cluster="spring",
        account=ACCOUNT,
        region=REGION,
        subnets=("subnet-0123456789abcdef0",),
        security_groups=("sg-0123456789abcdef0",),
        images=("ami-0123456789abcdef0",),
    )
    return {
        **{
            f"network-{egress}-{zones}": network_template("campus", NETWORK, ZONES[:zones], egress)
            for egress in Egress
            for zones in (2, 3)
        },
        "network-small": network_template("campus", IPv4Network("10.0.0.0/24"), ZONES[:2], Egress.MANAGER),
        "data": data_template("spring", BUCKET, 365),
        "data-key": data_template("spring", BUCKET, 365, KEY),
        "place": place_template(position()),
        "place-fixed": place_template(position(address="10.0.0.10", ports=(8443,))),
        "place-forwarding": place_template(position(routes=ROUTES)),
        "place-ipv6": place_template(replace(position(routes=ROUTES), has_ipv6=True)),
        "place-domain": place_template(position(names=("hub.example.org", "*.hub.example.org"))),
        "place-private": place_template(PRIVATE),
        "place-endpoints": place_template(replace(PRIVATE, endpoints=ENDPOINTS)),
        "access": access_template(scope),
        "access-private": access_template(replace(narrow, is_private=True), 7),
        "access-narrow": access_template(narrow, 7),
        "access-alarm": access_template(scope, 7, BillAlarm(address="ada@example.org", dollars=250.0)),
        "access-key": access_template(replace(narrow, key=KEY), 7),
        "access-domain": access_template(replace(narrow, challenge=CHALLENGE)),
    }
