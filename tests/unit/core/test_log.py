"""Nothing that a library says about a value reaches the terminal."""

from __future__ import annotations

import subprocess
import sys

NAME = "PLANTED^NAME"


def test_warnings_of_libraries_do_not_quote_values() -> None:
    code = (
        "from lightbox.core import log; log.set_up()\n"
        "import warnings, logging\n"
        f"warnings.warn('Invalid value for VR PN: {NAME}')\n"
        f"logging.getLogger('pydicom').warning('{NAME}')\n"
        f"logging.getLogger('pynetdicom.events').error('{NAME}')\n"
        "from pydicom.dataset import Dataset\n"
        "ds = Dataset(); ds.PatientName = 'x' * 80 + '" + NAME + "'; ds.Rows = 1\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert NAME not in done.stdout + done.stderr


def test_a_library_that_sets_its_level_when_it_is_imported_stays_quiet() -> None:
    code = (
        "from lightbox.core import log; log.set_up();"
        "from pydicom.charset import convert_encodings; convert_encodings('ISO-IR 100');"
        "import logging; logging.getLogger('lightbox.x').error('ours')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "lightbox: ours\n"
