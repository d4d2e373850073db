"""The one error that reading an expression can raise."""


class ExpressionError(ValueError):
    """The text is not an expression.

    Args:
        column: 1-based position of the offending character, counted in code points over the whole text
            (line breaks count as one); one past the end when something is missing there.
        message: one line: what was found and what was expected.
        hint: how to mend it, where that can be guessed; otherwise None.
    """

    def __init__(self, column: int, message: str, hint: str | None = None) -> None:
        super().__init__(column, message, hint)
        self.column = column
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = f"column {self.column}: {self.message}"
        return text if self.hint is None else f"{text} ({self.hint})"
