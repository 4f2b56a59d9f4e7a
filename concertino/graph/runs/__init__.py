"""One run while it is live in this process: its record, money, board and questions."""
