"""No ARN of the product names a partition: it is the account's. (The local cloud is one account of `aws`.)"""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("app.py", "lifecycle_app", "hub", "bootstrap")
KINDS = (".py", ".yaml", ".json", ".conf", ".service", ".html")
NOT_PRODUCT = ("bootstrap/local/", "hub/node_modules/", "bootstrap/labextension/node_modules/")
NAMED = re.compile(r"arn:aws[a-z-]*:[^\s\"']*")
EXAMPLES = ("arn:aws:iam::123456789012:policy/OrgBoundary", "arn:aws:kms:us-east-1:123456789012:alias/hub")
"""What `cluster.yaml` shows of an operator's own ARNs."""
PATTERNS = (
    r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]{1,600}",
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key/(mrk-)?[0-9a-f-]{1,36}|alias/(?!aws/)[A-Za-z0-9/_-]{1,250})",
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+",
)
"""What an operator's own ARNs look like, in any partition."""


def test_arns_name_no_partition() -> None:
    files = [path for part in PARTS for path in ((REPOSITORY / part).rglob("*") if "." not in part
             else [REPOSITORY / part]) if path.suffix in KINDS]  # fmt: skip
    ours = [path for path in files if not path.relative_to(REPOSITORY).as_posix().startswith(NOT_PRODUCT)]
    named = {
        f"{path.relative_to(REPOSITORY)}: {found}"
        for path in ours
        for found in NAMED.findall(path.read_text(encoding="utf-8"))
        if found.rstrip(",") not in EXAMPLES and not any(one.startswith(found) for one in PATTERNS)
    }
    assert len(ours) > 300
    assert not named
