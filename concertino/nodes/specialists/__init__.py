"""Specialists: how they are declared, briefed, run and read."""
