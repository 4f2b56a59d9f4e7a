"""What each node of the graph decides, as functions that know nothing of LangGraph."""
