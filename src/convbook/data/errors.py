"""What goes wrong with data."""


class DataError(RuntimeError):
    """A data set is unknown, missing or damaged; the message is one line that says what to do."""


def brief(error: BaseException) -> str:
    """The error's text as one line, short enough to sit in another one."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."
