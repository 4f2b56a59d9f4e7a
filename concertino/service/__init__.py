"""The roof: thin adapters that turn a command or a request into the same call. They own no rules."""
