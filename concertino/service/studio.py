"""The graph that LangGraph Studio and `langgraph dev` serve: the offers pack's planner.

Journal: `.langgraph_api/concertino.db`, beside the threads and checkpoints that the server keeps in that folder of its
working directory, so that both are kept and deleted together. `CONCERTINO_DATABASE` names another one; with
`LANGGRAPH_DISABLE_FILE_PERSISTENCE=true` it is in memory. Checkpointer and store are the server's.
"""

from __future__ import annotations

import os
from pathlib import Path

from concertino.graph.compiled import PlannerGraph
from concertino.packs.offers.planner import offers_planner

FOLDER = ".langgraph_api"
"""Where the server keeps its own state. Source: langgraph-runtime-inmem."""


def database() -> str | None:
    """Return the journal's address; `None` for one in memory. Makes the server's folder when it is not there yet."""
    given = os.environ.get("CONCERTINO_DATABASE")
    if given:
        return given
    if os.environ.get("LANGGRAPH_DISABLE_FILE_PERSISTENCE", "").lower() == "true":
        return None
    Path(FOLDER).mkdir(exist_ok=True)
    return f"sqlite:///{FOLDER}/concertino.db"


graph: PlannerGraph = offers_planner(journal=database())
