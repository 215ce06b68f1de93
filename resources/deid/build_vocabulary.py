"""Write ``vocabulary.txt`` and ``english.txt``: the words that a description may keep.

Usage: ``python build_vocabulary.py WORDS NOTICE``. The first comes from the names of attributes and codes in DICOM
(dictionaries of pydicom), without the names of ``names.txt``. The second comes from an English word list (one a line,
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


def radiology(english: set[str], proper: set[str]) -> set[str]:
    """Return the words of DICOM's attribute names and code meanings.

    A word of a code meaning that is always capitalised may be a name (of a place, of whoever invented a procedure): it
    counts only when English has it in lower case, or when it is a meaning by itself and no name.
    """
    from pydicom._dicom_dict import DicomDictionary
    from pydicom.sr._concepts_dict import concepts

    words = {word.lower() for entry in DicomDictionary.values() for word in WORD.findall(entry[2])}
    for scheme in concepts.values():
        for codes in scheme.values():
            for meaning, _ in codes.values():
                found = WORD.findall(meaning)
                words.update(word for word in found if word.islower() or word.isupper())
                words.update(word.lower() for word in found if word.lower() in english)
                if len(found) == 1 and found[0].lower() not in proper:
                    words.add(found[0].lower())
    return {word.lower() for word in words}


def main(word_list: str, notice_file: str) -> None:
    """Build the lists."""
    names, extra = read_words("names.txt"), read_words("vocabulary-extra.txt")
    lines = Path(word_list).read_text(encoding="utf-8").splitlines()
    proper = {line.lower() for line in lines if line[:1].isupper()}
    common = {line for line in lines if re.fullmatch(r"[a-z]{3,}", line)}
    kept = radiology(common, proper - common) - (names - extra)
    head = "# words of DICOM attribute names and code meanings; made by build_vocabulary.py\n"
    (HERE / "vocabulary.txt").write_text(head + "\n".join(sorted(kept)) + "\n", encoding="utf-8")
    english = common - proper - names - kept - extra
    notice = "".join(f"# {line}".rstrip() + "\n" for line in Path(notice_file).read_text(encoding="utf-8").splitlines())
    (HERE / "english.txt").write_text(notice + "\n".join(sorted(english)) + "\n", encoding="utf-8")
    print(len(kept), len(english))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
