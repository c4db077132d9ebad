"""The one error that an operator sees."""


class CannotRun(Exception):
    """Something on this machine or in a setting is in the way.

    Its text is one sentence for a person at a terminal: what is wrong and what to do about it.
    """
