"""Why an administrator's wish about tenants, connections or tokens is refused.

Refusal
  NotKnown        nothing of that name or id is here
  NotPossible     it is here, but what was asked for cannot be done
    TokenLimit    the connection has its two tokens
"""

from meibo.storage.tokens import TokenRow


class Refusal(Exception):
    """What was asked for cannot be done; the text is one sentence that says why, and what can."""


class NotKnown(Refusal):
    """Nothing of that name or id is here."""


class NotPossible(Refusal):
    """A value is not allowed, or the state of things does not permit it."""


class TokenLimit(NotPossible):
    """A connection has two tokens already; one must go before another can come."""

    def __init__(self, text: str, tokens: tuple[TokenRow, ...]) -> None:
        super().__init__(text)
        self.tokens = tokens
