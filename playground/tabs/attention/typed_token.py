"""A token that a person typed."""

from core.tokenizer import Tokenizer
from playground.ui.text import page_text, visible_spaces, visible_token


def typed_token(tokenizer: Tokenizer, text: str) -> tuple[int, str]:
    """The token that a text begins with, and a sentence if there are more. Raises ValueError for an empty text."""
    ids = tokenizer.encode(page_text(text))
    if not ids:
        raise ValueError("type a word, with the space before it if there is one")
    if len(ids) == 1:
        return ids[0], ""
    first = visible_spaces(visible_token(tokenizer.token_bytes(ids[0])))
    return ids[0], f"“{visible_spaces(text)}” is {len(ids)} tokens: the first, “{first}”, is taken."
