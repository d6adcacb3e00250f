"""What would go wrong, told before anything is created. Reads only."""

from bootstrap.preflight.checking import check
from bootstrap.preflight.problem import Problem

__all__ = ["Problem", "check"]
