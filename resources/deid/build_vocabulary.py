"""Write ``vocabulary.txt`` and ``english.txt``: the words that a description may keep.

Usage: ``python build_vocabulary.py [WORDS NOTICE]``. The first comes from DICOM's attribute names and code meanings
(pydicom's dictionaries), without the names of ``names.txt``. The second comes from an English word list (one word a line,
proper names capitalised) with its copyright notice: words of three letters and more that are no name.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORD = re.compile(r"[A-Za-z]{2,}")


def read_words(name: str) -> set[str]:
    """Return the words of a hand-written list."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return {word for line in lines if not line.startswith("#") for word in line.lower().split()}


def radiology() -> set[str]:
    """Return the words of DICOM's attribute names and code meanings."""
    from pydicom._dicom_dict import DicomDictionary
    from pydicom.sr._concepts_dict import concepts

    words: set[str] = set()
    for entry in DicomDictionary.values():
        words.update(WORD.findall(entry[2]))
    for scheme in concepts.values():
        for codes in scheme.values():
            for meaning, _ in codes.values():
                words.update(WORD.findall(meaning))
    return {word.lower() for word in words}


def main(arguments: list[str]) -> None:
    """Build the lists."""
    names, extra = read_words("names.txt"), read_words("vocabulary-extra.txt")
    kept = sorted(radiology() - (names - extra))
    head = "# words of DICOM attribute names and code meanings; made by build_vocabulary.py\n"
    (HERE / "vocabulary.txt").write_text(head + "\n".join(kept) + "\n", encoding="utf-8")
    print(len(kept))  # noqa: T201
    if not arguments:
        return
    lines = Path(arguments[0]).read_text(encoding="utf-8").splitlines()
    proper = {line.lower() for line in lines if line[:1].isupper()}
    english = {line for line in lines if re.fullmatch(r"[a-z]{3,}", line)} - proper - names - set(kept) - extra
    notice = "".join(
        f"# {line}".rstrip() + "\n" for line in Path(arguments[1]).read_text(encoding="utf-8").splitlines()
    )
    text = notice + "\n".join(sorted(english)) + "\n"
    (HERE / "english.txt").write_text(text, encoding="utf-8")
    print(len(english))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
