"""Reading what models really say: whatever form a plan comes in, it leaves in the one shape that a caller's ready plan has.

`read_plan` never raises, needs no model and mends nothing: unknown specialists, links to nowhere and cycles stay as they
are, for `mending`. A plan is lost only where there is none.
"""

from concertino.nodes.planning.reader.read import read_plan
from concertino.nodes.planning.reader.shape import Reading

__all__ = ["Reading", "read_plan"]
