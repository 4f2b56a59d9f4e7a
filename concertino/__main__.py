"""`python -m concertino`, where the command is not on the path."""

from concertino.service.cli.main import main

if __name__ == "__main__":
    main()
