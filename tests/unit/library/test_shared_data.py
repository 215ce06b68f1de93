"""The whole set of shared files, against a count that pydicom makes on its own."""

from __future__ import annotations

import hashlib
import warnings
from collections import defaultdict
from pathlib import Path

import pytest
from pydicom import dcmread

from lightbox.library.library import Library

REQUIRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
NOT_WHOLE = {"GH1146.dcm", "rtplan_truncated.dcm"}
"""Files that pydicom reads although bytes that they announce are missing."""


@pytest.mark.data
@pytest.mark.parametrize("link", [False, True])
def test_import_agrees_with_an_independent_count(library: Library, data: Path, link: bool):
    files = sorted(path for path in data.rglob("*") if path.is_file())
    expected: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    hashes: dict[str, set[str]] = defaultdict(set)
    identified = 0
    for path in files:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(REQUIRED))
            uids = [str(ds.get(keyword) or "") for keyword in REQUIRED]
        if all(uids) and path.name not in NOT_WHOLE:
            identified += 1
            expected[uids[2]][uids[3]].add(uids[1])
            hashes[uids[1]].add(hashlib.sha256(path.read_bytes()).hexdigest())

    report = library.import_paths([data], link=link)

    rows = library.page_studies(limit=10_000).rows
    assert {row.study_instance_uid for row in rows} == set(expected)
    for row in rows:
        series = library.series_of(row.study_instance_uid)
        assert {entry.series_instance_uid for entry in series} == set(expected[row.study_instance_uid])
        for entry in series:
            found = {item.sop_instance_uid for item in library.instances_of(entry.series_instance_uid)}
            assert found == expected[row.study_instance_uid][entry.series_instance_uid]
            assert entry.number_of_instances == len(found)
        assert row.number_of_instances == sum(len(uids) for uids in expected[row.study_instance_uid].values())
        assert row.number_of_series == len(series)
    assert report.added == len(hashes)
    assert report.quarantined == sum(len(kept) - 1 for kept in hashes.values())
    assert report.duplicates == identified - report.added - report.quarantined
    assert report.added + report.duplicates + len(report.refused) + len(report.notes) == len(files)
    assert all(item.reason for item in (*report.refused, *report.notes))
    assert {Path(item.path).name for item in report.notes} >= {"DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit"}

    again = library.import_paths([data], link=link)
    assert (again.added, again.quarantined) == (0, 0)
    assert again.duplicates == identified
    assert library.count_studies() == len(expected)


@pytest.mark.data
def test_the_file_set_of_the_shared_dicomdir(library: Library, data: Path):
    report = library.import_paths([data / "dicomdir" / "pydicom-fileset" / "DICOMDIR"])
    assert report.added > 20
    assert report.quarantined == 0
