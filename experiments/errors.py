"""What ends a command with one line instead of a traceback."""


class ConfigError(Exception):
    """A configuration that cannot be run. The message is one line: what is wrong, where, and what would be right."""


class RunError(Exception):
    """A run that cannot go on (a diverged loss, a damaged checkpoint). The message is one line that says the way out."""
