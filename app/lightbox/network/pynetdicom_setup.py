"""Settings of pynetdicom and pydicom for the whole process; imported before either is used by this room.

pynetdicom logs query keys, replies and values. Only *that* something happened, and where in pynetdicom, reaches our
log.
"""

from __future__ import annotations

import logging

from pydicom import config as pydicom_config
from pynetdicom import _config

logger = logging.getLogger(__name__)


class _Discreet(logging.Handler):
    """Relays that pynetdicom logged something, without its text: that may hold names, identifiers or keys."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        logger.log(
            min(record.levelno, logging.WARNING), "%s line %s %s", record.name, record.lineno, kind or record.levelname
        )


def _lenient_uid(value: str) -> tuple[bool, str]:
    """Accept any UID a peer sends: objects with bad UIDs are refused by the library with a reason, not by an abort."""
    return (0 < len(value) <= 1024, "must have 1 to 1024 characters")


def configure() -> None:
    """Set what Lightbox relies on; may be called again."""
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.LOG_HANDLER_LEVEL = "none"
    _config.VALIDATORS["UI"] = _lenient_uid
    # AE titles and version names beyond ASCII exist; they must not break the association
    _config.CODECS = ("ascii", "utf-8", "latin-1")
    # pydicom's warnings about invalid values print the values
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
    parent = logging.getLogger("pynetdicom")
    parent.handlers = [_Discreet()]
    parent.propagate = False
    parent.setLevel(logging.WARNING)
