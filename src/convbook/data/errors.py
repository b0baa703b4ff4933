"""What goes wrong with data."""


class DataError(RuntimeError):
    """A data set is unknown, missing or damaged; the message is one line that says what to do."""
