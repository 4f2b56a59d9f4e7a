"""Ground floor: frozen models, ids, the error tree and the ports. No I/O, imports nothing of ours."""
