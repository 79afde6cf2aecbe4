"""Errors that the user can correct."""


class UserError(Exception):
    """An error that the user can correct: the message says what is wrong, where, and what to do next."""


class ConfigError(UserError):
    """One or more problems of a config."""


class ContradictionError(ConfigError):
    """Values of a config that are valid one by one but contradict each other."""
