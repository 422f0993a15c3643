"""Why something outside could not be reached, in a few words and without a secret."""

import os

from common.redaction import without_secrets


def reason(error: Exception) -> str:
    """The system's word for it where it has one, else what the exception says."""
    number = getattr(error, "errno", None) or next(iter(error.args), None)
    if isinstance(error, OSError) and isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    return without_secrets(str(error)).rstrip(".") or type(error).__name__
