"""What each key of cluster.yaml is for, in a few words, in the order in which they are written."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explained:
    """A key; `is_shown` if it is written even with its default value; `example` stands for a default that is empty."""

    key: str
    comment: str
    is_shown: bool = False
    example: str = ""


TOP = (
    Explained("cluster", "part of every name; cannot be changed later", is_shown=True),
    Explained("region", "of AWS; cannot be changed later", is_shown=True),
    Explained("owner", "who answers for the machines: their Owner tag", is_shown=True),
    Explained("users", "how many are expected: sizes are checked and costs reckoned with it", is_shown=True),
    Explained("hours", "a month that each is expected to work", is_shown=True),
    Explained(
        "alerts", "whom CloudWatch's alarms about the cluster reach by e-mail", example="you@example.org"
    ),
)

NETWORK = (
    Explained("name", "clusters that give the same name share one network", is_shown=True),
    Explained(
        "egress",
        "workers' way out: nat-gateway ($37/month + $0.045/GB), manager or public-address",
        is_shown=True,
    ),
    Explained("cidr", "private addresses; a /16 has room for thousands of users"),
    Explained(
        "zones",
        "two or more; without this line the first two of the region",
        example="[us-east-1a, us-east-1b]",
    ),
    Explained(
        "vpc", "an existing VPC instead; then remove egress, cidr and zones", example="vpc-0123456789abcdef0"
    ),
    Explained("manager_subnet", "its public subnet for the manager", example="subnet-0123456789abcdef0"),
    Explained(
        "worker_subnets", "its subnets for workers, with a way out", example="[subnet-0123456789abcdef1]"
    ),
)

WORKERS = (
    Explained("types", "users choose among these, the first is the default; one architecture", is_shown=True),
    Explained("disk", "root disk in GB; goes with the machine", is_shown=True),
    Explained(
        "home_disk", "home disk in GB; stays when the machine goes; 0: home on the root disk", is_shown=True
    ),
    Explained("base", "what the image is built from: ubuntu-24.04, al2023 or an AMI's id"),
    Explained(
        "image", "a ready AMI of cloudJHub's, instead of building one", example="ami-0123456789abcdef0"
    ),
    Explained("packages", "more Python packages in the image", example="[pandas, scikit-learn]"),
    Explained("named_servers", "how many more machines a user may have"),
)

MANAGER = (
    Explained(
        "domain", "the hub's name in the DNS; without it the manager's address", example="hub.example.org"
    ),
    Explained("https", "lets-encrypt (needs a domain), own-certificate or self-signed", is_shown=True),
    Explained("email", "whom Let's Encrypt writes to", example="you@example.org"),
    Explained("certificate", "your own, PEM, with the chain", example="hub.pem"),
    Explained("key", "its key, PEM", example="hub.key"),
    Explained("subdomains", "each user's server on a subdomain; needs a wildcard DNS record and certificate"),
    Explained("type", "t3.small serves some 100 users"),
    Explained("disk", "root disk in GB"),
    Explained("state_disk", "the hub's database in GB; survives the machine"),
    Explained("base", "ubuntu-24.04, or the id of an AMI of Debian's kind"),
    Explained("port", ""),
    Explained(
        "private_address",
        "fixed, in the manager's subnet; without it the first free one; stays",
        example="10.77.0.10",
    ),
)

LOGIN = (
    Explained(
        "authenticator", "native (accounts of its own), github, google, oauth, lti13 or ldap", is_shown=True
    ),
    Explained(
        "options",
        "the authenticator's own; secrets by `cloudjhub secrets set`",
        example="{minimum_password_length: 12}",
    ),
    Explained("allow_all", "everybody whom the authenticator knows, instead of the users you name"),
    Explained(
        "users_file",
        "lines `name` or `name admin`, read at the first `up`; later: `cloudjhub users`",
        is_shown=True,
    ),
)

POLICY = (
    Explained("idle_timeout", "a machine without a sign of life for so long is stopped"),
    Explained("busy_allowance", "how long a running program without a person keeps it up; never: no limit"),
    Explained("max_lifetime", "stopped after so long whatever it does"),
    Explained("signals", "what counts as a sign of life"),
    Explained("start_grace", "left alone for so long after its start"),
    Explained("hung_after", "without report and CPU for so long it is taken as hung"),
    Explained("hung_cpu", "percent of CPU below which a machine does nothing"),
)

TIMING = (
    Explained("report_period", "how often a worker reports"),
    Explained("read_interval", "how often the hub reads the records"),
    Explained("answer_limit", "how long a machine may take to its first answer"),
    Explained("record_schedule", ""),
    Explained("sweep_schedule", ""),
    Explained("reconcile_schedule", ""),
)
