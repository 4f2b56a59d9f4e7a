"""Judging: what an outcome is held against, one verdict for each thing that its case expects. Pure functions, no I/O."""

from concertino.evals.judging.judge import judge
from concertino.evals.judging.verdict import Verdict, passed

__all__ = ["Verdict", "judge", "passed"]
