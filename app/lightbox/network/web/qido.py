"""QIDO-RS: ask an archive what it holds (PS3.18 10.6). The answers have the shape of those of C-FIND."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydicom.datadict import dictionary_VR

from lightbox.core.errors import Problem, Severity, UsageError
from lightbox.core.jobs import CancelToken
from lightbox.network import query_keys
from lightbox.network.web import dicom_json
from lightbox.network.web.errors import WebError
from lightbox.network.web.service import WebService, checked

PAGE = 500
"""Rows asked for at once."""

MAX_ROWS = 200_000
"""A query that brings more is ended: no archive means that."""

_FIELDS = "search fields"
_ROUND = 10


class WebFinder:
    """Queries to one DICOMweb service, with the interface of `lightbox.network.find.Finder`.

    Parameters
    ----------
    service : WebService
    problems : list of Problem, optional
        Gets what was wrong with single rows, which are left out, and whether rows were cut off.
    fuzzy : bool
        Ask for fuzzy matching of names; an archive that cannot ignores it.
    """

    def __init__(self, service: WebService, problems: list[Problem] | None = None, *, fuzzy: bool = False) -> None:
        self._service = service
        self._problems = problems if problems is not None else []
        self._fuzzy = fuzzy

    def find(
        self,
        level: str,
        keys: Mapping[str, str],
        *,
        cancel: CancelToken | None = None,
        limit: int | None = None,
        fields: Collection[str] | None = None,
    ) -> Iterator[dict[str, str]]:
        """Yield the matches of one query as text by DICOM keyword; several values are joined by backslashes.

        With `fields` no more than these are asked for beyond what every archive tells: some read every file for them.
        Where matches were left out, because `limit` was reached or because the archive sends no more, `problems`
        gets one with the code ``"find.truncated"``.

        Raises
        ------
        UsageError
            Level, keys or values make no sense.
        WebError
            The service cannot be reached or refused the query.
        Cancelled
            `cancel` was cancelled.
        """
        if level not in query_keys.LEVELS:
            raise UsageError("This level cannot be queried", where=level, todo=f"Use {', '.join(query_keys.LEVELS)}")
        wanted = query_keys.normalise(keys)
        if level == "patient":
            found = self._patients(wanted, cancel)
        else:
            found = self._rows(level, wanted, cancel, limit, fields)
        for count, row in enumerate(found):
            if limit is not None and count >= limit:
                self._truncated(limit)
                return
            yield row

    def _patients(self, keys: dict[str, str], cancel: CancelToken | None) -> Iterator[dict[str, str]]:
        """Gather the patients of studies: QIDO-RS knows no level of patients."""
        seen: set[tuple[str, str]] = set()
        for row in self._rows("study", keys, cancel, None):
            who = (row.get("PatientID", ""), row.get("IssuerOfPatientID", ""))
            if who not in seen:
                seen.add(who)
                yield {word: value for word, value in row.items() if query_keys.level_of(word) == "patient"}

    def _rows(
        self,
        level: str,
        keys: dict[str, str],
        cancel: CancelToken | None,
        limit: int | None,
        fields: Collection[str] | None = None,
    ) -> Iterator[dict[str, str]]:
        path = _path(level, keys)
        try:
            yield from self._pages(level, path, keys, cancel, limit, fields)
        except WebError as error:
            if error.status == 404 and path:
                self._probe(cancel)
                return  # no such study or series
            if level == "study" or path or error.status not in (400, 404, 405, 500, 501):
                raise
            # It searches for series and instances only below a study
            yield from self._below(level, keys, cancel)

    def _probe(self, cancel: CancelToken | None) -> None:
        """Make sure that the service is there, so that "not found" means the study."""
        self._page("study", (), {}, 1, 0, cancel)

    def _below(self, level: str, keys: dict[str, str], cancel: CancelToken | None) -> Iterator[dict[str, str]]:
        above = "study" if level == "series" or not keys.get("StudyInstanceUID") else "series"
        own = {word: value for word, value in keys.items() if query_keys.level_of(word) in (level, "")}
        upper = {word: value for word, value in keys.items() if word not in own}
        for row in list(self._rows(above, upper, cancel, None)):
            unique = {
                query_keys.UNIQUE_KEY[name]: row[query_keys.UNIQUE_KEY[name]]
                for name in ("study", "series")[: query_keys.LEVELS.index(above)]
                if row.get(query_keys.UNIQUE_KEY[name])
            }
            yield from self._rows(level, {**unique, **own}, cancel, None)

    def _pages(
        self,
        level: str,
        path: tuple[str, ...],
        keys: dict[str, str],
        cancel: CancelToken | None,
        limit: int | None,
        fields: Collection[str] | None,
    ) -> Iterator[dict[str, str]]:
        unique = query_keys.UNIQUE_KEY[level]
        implied: dict[str, str] = dict(zip(("StudyInstanceUID", "SeriesInstanceUID"), path, strict=False))
        filters = {word: value for word, value in keys.items() if word not in implied}
        seen: set[tuple[str, ...]] = set()
        # One row more than is wanted tells whether there are more
        size = PAGE if limit is None else max(1, min(PAGE, limit + 1))
        offset = 0
        while True:
            page, more = self._page(level, path, filters, size, offset, cancel, fields)
            fresh = 0
            for data_set in page:
                row = self._row(data_set, unique, implied)
                # Studies of two patients can have the same UID: both are to be seen
                key = () if row is None else (row[unique], row.get("PatientID", ""), row.get("IssuerOfPatientID", ""))
                if row is not None and key not in seen:
                    seen.add(key)
                    fresh += 1
                    yield row
            if len(seen) >= MAX_ROWS:
                self._truncated(len(seen))
                return
            if page and not fresh and offset:  # the same again: it ignores the offset, so ask for all at once
                if size >= MAX_ROWS:
                    self._truncated(len(seen))
                    return
                size, offset = min(size * 8, MAX_ROWS), 0
                continue
            whole = len(page) < size and len(page) % _ROUND  # no page of an archive has such a size
            if not fresh or len(page) > size or (whole and not more):
                if more:
                    self._truncated(len(seen))
                return
            offset += len(page)

    def _page(
        self,
        level: str,
        path: tuple[str, ...],
        filters: dict[str, str],
        size: int,
        offset: int,
        cancel: CancelToken | None,
        fields: Collection[str] | None = None,
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return one page, and whether the archive says that there is more (Warning 299, PS3.18 8.3.4.4)."""
        memory = self._service.memory
        choices = ["listed", "none"] if memory.get(_FIELDS) != "none" else ["none", "listed"]
        for number, choice in enumerate(choices):
            with self._service.call("search", cancel) as call:
                try:
                    wanted = query_keys.RETURN_KEYS[level] if fields is None else fields
                    rows = self._ask(level, path, filters, size, offset, wanted if choice == "listed" else None)
                except WebError as error:
                    if number + 1 == len(choices) or error.status not in (400, 414, 431, 500):
                        raise
                    continue
            memory.worked(_FIELDS, choice)
            if call.unreadable:
                self._note(Severity.WARNING, "find.row-unreadable", "Replies that could not be read were left out")
            warning = call.headers.get("Warning", "").strip()
            return rows, warning.startswith("299") and "fuzzy" not in warning.casefold()
        raise AssertionError("a choice either returns or raises")

    def _ask(
        self,
        level: str,
        path: tuple[str, ...],
        filters: dict[str, str],
        size: int,
        offset: int,
        wanted: Collection[str] | None,
    ) -> list[dict[str, Any]]:
        fields = [*(wanted or ()), *(word for word, value in filters.items() if not value)]
        options: dict[str, Any] = {
            "limit": size,
            "offset": offset,
            "fields": list(dict.fromkeys(fields)) if wanted is not None else None,
            "fuzzymatching": True if self._fuzzy else None,
            "search_filters": {word: _matching(word, value) for word, value in filters.items() if value},
        }
        client = self._service.client
        if level == "study":
            return client.search_for_studies(**options)
        if level == "series":
            return client.search_for_series(path[0] if path else None, **options)
        study, series = (*path, None, None)[:2]
        return client.search_for_instances(study, series, **options)

    def _row(self, data_set: dict[str, Any], unique: str, implied: Mapping[str, str]) -> dict[str, str] | None:
        try:
            row = {**implied, **{word: value for word, value in dicom_json.row(data_set).items() if value}}
        except (ValueError, TypeError, KeyError):
            self._note(Severity.WARNING, "find.row-unreadable", "Replies that could not be read were left out")
            return None
        if not row.get(unique):
            self._note(Severity.WARNING, "find.row-incomplete", f"A reply without {unique} was left out")
            return None
        return row

    def _truncated(self, shown: int) -> None:
        self._note(
            Severity.WARNING, "find.truncated", f"The archive has more matches than the {shown} that it was asked for"
        )

    def _note(self, severity: Severity, code: str, what: str) -> None:
        if not any(problem.code == code for problem in self._problems):
            self._problems.append(Problem(severity, code, what, where=self._service.peer.name))


def _path(level: str, keys: Mapping[str, str]) -> tuple[str, ...]:
    """Return the UIDs of the levels above, as far as `keys` names exactly one."""
    path: list[str] = []
    for word in ("StudyInstanceUID", "SeriesInstanceUID")[: query_keys.LEVELS.index(level) - 1]:
        uid = keys.get(word, "")
        if not uid or any(character in uid for character in "*?\\,"):
            break
        path.append(checked(uid))
    return tuple(path)


def _matching(word: str, value: str) -> str:
    """Return a matching value; lists of UIDs are separated by commas here (PS3.18 8.3.4.1)."""
    return value.replace("\\", ",") if dictionary_VR(word) == "UI" else value
