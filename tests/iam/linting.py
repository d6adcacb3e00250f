"""Parliament, a linter for policies."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

with warnings.catch_warnings():
    # It reads its data without closing the files, and finds them through pkg_resources.
    warnings.simplefilter("ignore")
    import parliament  # type: ignore[import-untyped]  # publishes no types


def findings(policy: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each finding's kind, and what it says of it as JSON."""
    found: list[Any] = parliament.analyze_policy_string(json.dumps(policy)).findings
    return [(finding.issue, json.dumps(finding.detail)) for finding in found]
