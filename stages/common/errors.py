"""The one exception that means "the user can mend this"."""


class ProjectError(Exception):
    """One line for the user: what was expected, what came, and how to mend it."""
