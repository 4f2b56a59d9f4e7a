"""From a dispatch to the records of its subtasks: turns, attempts, bodies."""
