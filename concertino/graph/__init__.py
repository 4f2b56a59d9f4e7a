"""The only room where LangGraph is wired: state, nodes and edges, the compiled graph and the `Planner` facade.

Three rooms of its own: `door` (who is let in and out), `dataflow` (who works when, and how), `runs` (one live run).
"""
