"""Importing pydicom from several threads at once."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import threading
from lightbox.dicom import imports

assert "pydicom" not in __import__("sys").modules
start, problems = threading.Barrier(4), []
PARTS = ("pydicom.dataset", "pydicom.valuerep", "lightbox.imaging.image_object", "lightbox.findings.reader")

def work(part):
    start.wait()
    try:
        imports.ready()
        __import__(part)
    except Exception as error:
        problems.append(repr(error))

threads = [threading.Thread(target=work, args=(part,)) for part in PARTS]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not problems, problems
import pydicom
assert len(pydicom.Dataset()) == 0 and pydicom.valuerep.PersonName("A^B").family_name == "A"
"""


def test_threads_that_ask_first_get_whole_modules() -> None:
    for _ in range(3):
        run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
