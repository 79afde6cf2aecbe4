"""What goes wrong in a way that the user can mend."""


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do next."""


class ConfigError(UserError):
    """One or more problems of a config."""
