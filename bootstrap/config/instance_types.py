"""What an EC2 instance type's name tells."""

import re

ARM, X86 = "arm64", "x86_64"
INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*\Z")

# The letter after the generation's number is the processor's: g for Graviton, as in t4g, m7gd and im4gn. The one
# before it is the family's: g4dn has Intel's.
_GRAVITON = re.compile(r"(a1|[a-z]+\d+g[a-z]*|mac2.*)\.")


def architecture(instance_type: str) -> str:
    """EC2's name of the processor's architecture, x86_64 or arm64."""
    return ARM if _GRAVITON.match(instance_type) else X86
