"""No ARN of the product names a partition: it is the account's. (The local cloud is one account of `aws`.)"""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("app.py", "lifecycle_app", "hub", "bootstrap")
KINDS = (".py", ".yaml", ".json", ".conf", ".service", ".html")
NOT_PRODUCT = ("bootstrap/local/", "hub/node_modules/", "bootstrap/labextension/node_modules/")
NAMED = re.compile(r"arn:aws[a-z-]*:[^\s\"']*")
EXAMPLE = "arn:aws:iam::123456789012:policy/OrgBoundary"
"""What `cluster.yaml` shows of an operator's own ARN."""
PATTERN = r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]{1,600}"
"""What an operator's own ARN looks like, in any partition."""


def test_arns_name_no_partition() -> None:
    files = [path for part in PARTS for path in ((REPOSITORY / part).rglob("*") if "." not in part
             else [REPOSITORY / part]) if path.suffix in KINDS]  # fmt: skip
    ours = [path for path in files if not path.relative_to(REPOSITORY).as_posix().startswith(NOT_PRODUCT)]
    named = {
        f"{path.relative_to(REPOSITORY)}: {found}"
        for path in ours
        for found in NAMED.findall(path.read_text(encoding="utf-8"))
        if found.rstrip(",") != EXAMPLE and not PATTERN.startswith(found)
    }
    assert len(ours) > 300
    assert not named
