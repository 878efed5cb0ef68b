"""Text as the page shows it. No gradio."""

import re


def sentence(text: str) -> str:
    first = text.split(" ", 1)[0]
    begun = text[:1].upper() + text[1:] if first.isalpha() else text  # not the name of a setting or of a file
    return begun + ("" if text.endswith((".", "!", "?")) else ".")


def page_text(text: str) -> str:
    """Text that can travel as UTF-8: lone surrogates, which have no such form, become U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def visible_token(token: bytes) -> str:
    """A token as text; a part of a character, which is no text yet, as its bytes: \\xf0\\x9f."""
    try:
        return token.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in token)


def visible_spaces(text: str) -> str:
    """With marks in the place of spaces, tabs and line ends: as visibleSpaces in assets/dom.js does it."""
    return text.replace("\n", "↵").replace("\t", "⇥").replace(" ", "·")
