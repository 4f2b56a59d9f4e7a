"""Learned synthesis: what a track record teaches, for labels, numbers and rankings; pure Python, no state beyond fitted models."""
