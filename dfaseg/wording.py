"""Words that depend on a number."""


def counted(number: int, one: str, several: str | None = None) -> str:
    """Return a number of things, e.g. "1 tile" or "3,000 tiles".

    Args:
        number: How many there are.
        one: What one of them is called.
        several: What more or none of them are called, if not with an s.
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"
