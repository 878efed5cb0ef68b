"""What went wrong, in words: the same for what a person presses and for what goes on in the background."""

import logging

from core.config import describe_os_error

APOLOGY = "Sorry, that went wrong. The terminal in which the playground runs says more."

log = logging.getLogger(__name__)


def describe_error(error: Exception) -> str:
    """What a person reads. What is not a matter of their input is logged with its traceback."""
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, OSError):
        return describe_os_error(error)
    log.error("unexpected error", exc_info=error)
    return APOLOGY
