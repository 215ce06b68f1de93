"""C-FIND: ask an archive what it holds (PS3.4 C.4.1)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from lightbox.core.errors import LightboxError, Problem, Severity, UsageError
from lightbox.core.jobs import CancelToken
from lightbox.network import query_keys, reply, words
from lightbox.network.contexts import LITTLE_ENDIAN
from lightbox.network.errors import DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import associated
from lightbox.network.wire.commands import Response
from lightbox.network.wire.contexts import Proposal

MODELS = {"patient": "1.2.840.10008.5.1.4.1.2.1.1", "study": "1.2.840.10008.5.1.4.1.2.2.1"}
"""C-FIND SOP classes by root."""


class Finder:
    """Several queries on one association.

    Parameters
    ----------
    association : Association
        Established, with a context of the model of `root`.
    peer : Peer
        For error messages.
    root : str
        ``"study"`` or ``"patient"``.
    problems : list of Problem, optional
        Gets what was wrong with single replies, which are then skipped.
    """

    def __init__(self, association: Association, peer: Peer, root: str, problems: list[Problem] | None = None) -> None:
        self._association = association
        self._peer = peer
        self._root = root
        self._problems = problems if problems is not None else []

    def find(
        self,
        level: str,
        keys: Mapping[str, str],
        *,
        cancel: CancelToken | None = None,
        limit: int | None = None,
    ) -> Iterator[dict[str, str]]:
        """Yield the matches of one query as text by DICOM keyword.

        Raises
        ------
        UsageError
            Level, keys or values make no sense.
        DimseError
            The archive refused the query.
        AssociationError
            The association ended.
        Cancelled
            `cancel` was cancelled.
        """
        if level not in query_keys.LEVELS or (level == "patient" and self._root != "patient"):
            raise UsageError(
                "This level cannot be queried",
                where=f"{level} ({self._root} root)",
                todo="Use study, series or image; patient needs the patient root",
            )
        wanted = query_keys.normalise(keys)
        count = 0
        for complete in self._complete(level, wanted, cancel):
            remaining = None if limit is None else limit - count
            for found in self._ask(level, complete, cancel, remaining):
                count += 1
                yield found
            if limit is not None and count >= limit:
                return

    def _complete(self, level: str, keys: dict[str, str], cancel: CancelToken | None) -> Iterator[dict[str, str]]:
        """Yield `keys` with the unique keys of the levels above, asking for those that are missing.

        Hierarchical queries must name one entity of each level above (PS3.4 C.4.1.3.1); people do not have to.
        """
        above = query_keys.LEVELS[: query_keys.LEVELS.index(level)]
        chain = [name for name in above if name != "patient" or self._root == "patient"]
        for name in chain:
            given = keys.get(query_keys.UNIQUE_KEY[name], "")
            if given and not any(character in given for character in "*?\\"):
                continue
            upper = {word: value for word, value in keys.items() if self._belongs(word, name)}
            lower = {word: value for word, value in keys.items() if word not in upper}
            known = {query_keys.UNIQUE_KEY[c]: keys[query_keys.UNIQUE_KEY[c]] for c in chain[: chain.index(name)]}
            for found in list(self._ask(name, {**known, **upper}, cancel, None)):
                unique = {query_keys.UNIQUE_KEY[name]: found[query_keys.UNIQUE_KEY[name]]}
                yield from self._complete(level, {**known, **lower, **unique}, cancel)
            return
        yield keys

    def _belongs(self, word: str, level: str) -> bool:
        own = query_keys.level_of(word)
        return own == level or (level == "study" and self._root == "study" and own == "patient")

    def _ask(
        self, level: str, keys: dict[str, str], cancel: CancelToken | None, limit: int | None
    ) -> Iterator[dict[str, str]]:
        model = MODELS[self._root]
        context = self._association.context(model)
        assert context is not None
        unique = query_keys.UNIQUE_KEY[level]
        count = unreadable = 0
        identifier = query_keys.identifier(level, keys)
        responses = self._association.requests(context, commands.c_find(model), identifier, cancel=cancel)
        try:
            for response in responses:
                if not response.is_pending:
                    self._end(response, cancel)
                    continue
                if response.status == 0xFF01:
                    self._note(Severity.INFO, "find.keys-ignored", "The archive did not match all of the keys")
                try:
                    values = reply.row(response.dataset())
                except LightboxError:
                    unreadable += 1
                    continue
                if not values.get(unique):
                    self._note(Severity.WARNING, "find.row-incomplete", f"A reply without {unique} was left out")
                    continue
                count += 1
                yield values
                if limit is not None and count >= limit:
                    break
        finally:
            responses.close()  # what is not wanted any more is cancelled
        if unreadable:
            self._note(Severity.WARNING, "find.row-unreadable", "Replies that could not be read were left out")

    def _end(self, response: Response, cancel: CancelToken | None) -> None:
        status, comment = response.status, response.comment
        if status == 0x0000 or (status == 0xFE00 and cancel is not None and cancel.cancelled):
            return
        if status & 0xF000 == 0xB000 or status == 0x0001:
            self._note(Severity.WARNING, "find.warning", words.status_words(status, comment))
            return
        raise DimseError(
            f"{self._peer.ae_title} refused the query",
            where=self._peer.name,
            why=words.status_words(status, comment),
            status=status,
        )

    def _note(self, severity: Severity, code: str, what: str) -> None:
        if not any(problem.code == code for problem in self._problems):
            self._problems.append(Problem(severity, code, what, where=self._peer.name))


@contextlib.contextmanager
def session(
    peer: Peer, identity: LocalIdentity, *, root: str = "study", problems: list[Problem] | None = None
) -> Iterator[Finder]:
    """Open an association for several queries."""
    if root not in MODELS:
        raise UsageError("There is no such query root", where=root, todo="Use study or patient")
    with associated(peer, identity, [Proposal(MODELS[root], LITTLE_ENDIAN)]) as association:
        yield Finder(association, peer, root, problems)


def find(
    peer: Peer,
    identity: LocalIdentity,
    level: str,
    keys: Mapping[str, str],
    *,
    root: str = "study",
    cancel: CancelToken | None = None,
    limit: int | None = None,
    problems: list[Problem] | None = None,
) -> Iterator[dict[str, str]]:
    """Yield what `peer` holds, one mapping of DICOM keyword to text for each match, as the replies come in.

    Parameters
    ----------
    level : str
        ``"patient"`` (patient root only), ``"study"``, ``"series"`` or ``"image"``.
    keys : mapping of str to str
        Matching keys by DICOM keyword; wildcards ``*`` and ``?``; date ranges as `query_keys.date_range`; several UIDs
        separated by backslash or comma. Keys of the levels above may be left out: they are asked for first.
    root : str
        ``"study"`` or ``"patient"`` (PS3.4 C.6).
    cancel : CancelToken, optional
        Sends C-CANCEL when cancelled.
    limit : int, optional
        Stop after so many matches (C-CANCEL).
    problems : list of Problem, optional
        Gets what was wrong with single replies; those are left out of the matches.

    Raises
    ------
    AssociationError, DimseError, UsageError, Cancelled
        See `Finder.find`.
    """
    with session(peer, identity, root=root, problems=problems) as finder:
        yield from finder.find(level, keys, cancel=cancel, limit=limit)
