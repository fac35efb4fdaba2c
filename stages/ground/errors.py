"""Exceptions that mean "the user can mend this"."""


class ProjectError(Exception):
    """One line for the user: what was expected, what came, and how to mend it."""


class UnreachableError(ProjectError):
    """No place that would have a file can be reached from this machine; from another one it may be."""
