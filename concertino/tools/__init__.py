"""Everything that leaves the process: tools, the guard around every call, breakers, retries, threads."""
