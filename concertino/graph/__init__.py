"""The only room where LangGraph is wired: state, edges, dataflow, compilation and the `Planner` facade."""
