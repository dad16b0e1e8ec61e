"""The way in which the code below the command line speaks to the user."""

from collections.abc import Callable

Say = Callable[[str], None]  # prints one line for the user that is not a result
