"""Time that costs no waiting: an event loop that jumps to its next timer, and the clock that goes with it."""

from concertino.evals.virtual.clock import VirtualClock
from concertino.evals.virtual.loop import VirtualLoop
from concertino.evals.virtual.running import run_virtually
from concertino.evals.virtual.stalled import Stalled

__all__ = ["Stalled", "VirtualClock", "VirtualLoop", "run_virtually"]
