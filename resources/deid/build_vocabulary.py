"""Write ``vocabulary.txt``: the words of DICOM's attribute names and of the code meanings that DICOM uses.

Usage: ``python build_vocabulary.py`` (needs pydicom, whose dictionaries are the source). Words that people bear as a
name are no reason to leave a word out: the engine treats a patient's name that is also in this list with care.
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORD = re.compile(r"[A-Za-z]{2,}")


def main() -> None:
    """Build the list."""
    from pydicom._dicom_dict import DicomDictionary
    from pydicom.sr._concepts_dict import concepts

    words: set[str] = set()
    for entry in DicomDictionary.values():
        words.update(WORD.findall(entry[2]))
    for scheme in concepts.values():
        for codes in scheme.values():
            for meaning, _ in codes.values():
                words.update(WORD.findall(meaning))
    kept = sorted({word.lower() for word in words})
    text = "# words of DICOM attribute names and code meanings; made by build_vocabulary.py\n" + "\n".join(kept) + "\n"
    (HERE / "vocabulary.txt").write_text(text, encoding="utf-8")
    print(len(kept))  # noqa: T201


if __name__ == "__main__":
    main()
