"""Errors that the user can correct."""

from config.redaction import redacted


class UserError(Exception):
    """An error that the user can correct: the message says what is wrong, where, and what to do next.

    Credentials in URLs are taken out of the message.
    """

    def __init__(self, message: str = ""):
        super().__init__(redacted(message))


class ConfigError(UserError):
    """One or more problems of a config."""


class ContradictionError(ConfigError):
    """Values of a config that are valid one by one but contradict each other."""
