"""Domains as packs: agents, skills, workflows and contracts, found by entry point. The graph never imports one."""
