"""Random plans and fault schedules by seed, driven through the production planner in virtual time and judged outside."""

from concertino.evals.simulator.checking import Break
from concertino.evals.simulator.command import main
from concertino.evals.simulator.scenario import Scenario
from concertino.evals.simulator.simulating import Report, simulate

__all__ = ["Break", "Report", "Scenario", "main", "simulate"]
