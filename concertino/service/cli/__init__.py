"""The `concertino` command. JSON on stdout; what people read, and progress, on stderr."""
