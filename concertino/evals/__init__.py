"""Cases that are run over tapes instead of the world, judged and compared."""
