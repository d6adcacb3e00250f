"""Problems that can be found before anything is created. Reads only.

What can be seen in cluster.yaml alone is checked by `bootstrap.config`, a running cluster by `bootstrap.operations`.
"""

from bootstrap.preflight.checking import check
from bootstrap.preflight.problem import Problem

__all__ = ["Problem", "check"]
