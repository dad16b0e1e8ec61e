"""The one error that bad data raises."""


class DataError(Exception):
    """Data that cannot be used.

    The message is one line: what is wrong, where, and what would be right.
    """
