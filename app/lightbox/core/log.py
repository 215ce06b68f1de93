"""Logging of a process: what libraries say about values in files never reaches a log or a terminal."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TextIO

logger = logging.getLogger(__name__)

_DICOM = ("pydicom", "pynetdicom", "highdicom", "nibabel", "PIL")
_HTTP = ("urllib3", "requests", "dicomweb_client", "retrying")
_QUIET = _DICOM + _HTTP
"""Libraries whose messages quote values of files, or addresses with what was searched for."""


def set_up(level: int = logging.ERROR) -> None:
    """Begin logging in this process; called once by every process of Lightbox.

    Warnings of libraries often quote the value they dislike, which may be a patient's name: only their kind and place
    are kept.
    """
    logging.basicConfig(level=level, format="lightbox: %(message)s")
    warnings.showwarning = _note
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # A library that is imported later may set its own level again (pydicom does).
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.CRITICAL or record.name.partition(".")[0] not in _QUIET


def _note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    logger.debug("%s at %s:%d", category.__name__, Path(filename).name, lineno)
