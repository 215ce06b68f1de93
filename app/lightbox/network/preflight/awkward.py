"""Content that careless systems lose or change, and that says in words that it is a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lightbox.dicom import reading

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

NOTICE = "LIGHTBOX ROUND TRIP TEST, INVENTED, NO PATIENT"
SIZE = 64
"""Rows and columns of the invented images."""


def pixels(number: int) -> NDArray[np.int64]:
    """Return values that use the whole range, with TEST written across."""
    from lightbox.core.opencv import cv2

    grid = np.add.outer(np.arange(SIZE), np.arange(SIZE)).astype(np.int64) * 30 + number * 7
    letters = np.zeros((SIZE, SIZE), np.uint8)
    library = cv2()
    library.putText(letters, "TEST", (3, 38), library.FONT_HERSHEY_SIMPLEX, 0.75, 255, 1)
    grid[letters > 0] = 4095
    grid[0, :4] = (0, 1, 32_767, 1024)
    return grid


def add(dataset: Dataset) -> None:
    """Add what careless systems lose: private attributes and nested sequences."""
    block = dataset.private_block(0x0099, "LIGHTBOX TEST", create=True)
    block.add_new(0x01, "LO", "privat äöü")
    block.add_new(0x02, "FD", 0.1 + 0.2)
    block.add_new(0x03, "OB", bytes(range(256)))
    code = reading.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "TEST", "99LIGHTBOX", "Prüfung"
    step = reading.Dataset()
    step.ScheduledProcedureStepID, step.ScheduledProcedureStepDescription = "LBXTEST", NOTICE
    step.ScheduledProtocolCodeSequence = [code]
    dataset.RequestAttributesSequence = [step]


def pdf() -> bytes:
    """Return a PDF of one page that says what it is."""
    stream = f"BT /F1 14 Tf 40 400 Td ({NOTICE}) Tj ET".encode()
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    text = b"%PDF-1.4\n"
    places = []
    for number, part in enumerate(parts, 1):
        places.append(len(text))
        text += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    start = len(text)
    text += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return text + b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start
