"""Errors that the user can correct."""

from collections.abc import Callable

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


def check_together(*checks: Callable[[], object]) -> None:
    """Make checks, each of which may raise a UserError; raise one with the messages of all that do."""
    problems = []
    for check in checks:
        try:
            check()
        except UserError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise UserError("\n".join(map(str, problems)))
