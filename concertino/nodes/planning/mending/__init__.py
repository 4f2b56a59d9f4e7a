"""Mending faulty plans by rule alone: close names, links, dangling and circular needs. No valid subtask or edge is lost.

What cannot be mended without guessing stays a fault: then the plan is refused, or a model that wrote it is asked.
"""

from concertino.nodes.planning.mending.mend import Mended, mend

__all__ = ["Mended", "mend"]
