"""C-FIND: ask an archive what it holds (PS3.4 C.4.1)."""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from lightbox.core.errors import LightboxError, Problem, Severity, UsageError
from lightbox.core.jobs import CancelToken
from lightbox.network import query_keys, reply, words
from lightbox.network.contexts import LITTLE_ENDIAN
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import open_association
from lightbox.network.wire.commands import Response
from lightbox.network.wire.contexts import Proposal

MODELS = {"patient": "1.2.840.10008.5.1.4.1.2.1.1", "study": "1.2.840.10008.5.1.4.1.2.2.1"}
"""C-FIND SOP classes by root."""


RELATIONAL, FUZZY = b"\x01", b"\x00\x00\x01"
_VALID_UID = re.compile(r"[0-9.]{1,64}")
_USABLE = re.compile(r"[^*?\\\x00-\x1f]+")
"""Archives invent UIDs; what can be asked for again is kept. A wildcard in one would retrieve something else."""


@dataclass(slots=True)
class Ending:
    """How the last query ended.

    Attributes
    ----------
    count : int
        Matches that came, those left out included.
    cut : bool
        The archive said that it did not send everything.
    words : str
        What it said.
    limited : bool
        There were more matches than our own limit.
    """

    count: int = 0
    cut: bool = False
    words: str = ""
    limited: bool = False


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
        Gets what was wrong with single replies, which are then skipped; code ``"find.truncated"`` when matches are
        missing.

    Attributes
    ----------
    ending : Ending
        Of the last query.
    """

    def __init__(self, association: Association, peer: Peer, root: str, problems: list[Problem] | None = None) -> None:
        self._association = association
        self._peer = peer
        self._root = root
        self._problems = problems if problems is not None else []
        self._extended = association.extended.get(MODELS[root], b"")
        self.ending = Ending()

    @property
    def relational(self) -> bool:
        """Whether the archive agreed to relational queries (PS3.4 C.4.1.2.2.1)."""
        return self._extended[:1] == RELATIONAL

    @property
    def fuzzy(self) -> bool:
        """Whether the archive agreed to match names that sound alike (PS3.4 C.5.1.1)."""
        return self._extended[2:3] == b"\x01"

    def find(
        self,
        level: str,
        keys: Mapping[str, str],
        *,
        cancel: CancelToken | None = None,
        limit: int | None = None,
        fields: Collection[str] | None = None,
    ) -> Iterator[dict[str, str]]:
        """Yield the matches of one query as text by DICOM keyword; attributes that the archive leaves out are empty.

        With `fields` only these are asked for: some archives read every file to tell the others.

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
        if self.relational and query_keys.above(level, wanted, self._root):
            try:
                for found in self._ask(level, wanted, cancel, limit, fields, relational=True):
                    count += 1
                    yield found
            except DimseError:
                if count:
                    raise
                self._extended = b""  # it agreed to what it cannot do
            else:
                return
        for complete in self._complete(level, wanted, cancel):
            remaining = None if limit is None else limit - count
            for found in self._ask(level, complete, cancel, remaining, fields):
                count += 1
                yield found
            if self.ending.limited:
                return

    def _complete(self, level: str, keys: dict[str, str], cancel: CancelToken | None) -> Iterator[dict[str, str]]:
        """Yield `keys` with the unique keys of the levels above, asking for those that are missing.

        Hierarchical queries must name one entity of each level above (PS3.4 C.4.1.3.1); people do not have to.
        """
        chain = query_keys.chain(level, self._root)
        for name in query_keys.above(level, keys, self._root):
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
        self,
        level: str,
        keys: dict[str, str],
        cancel: CancelToken | None,
        limit: int | None,
        fields: Collection[str] | None = None,
        *,
        relational: bool = False,
    ) -> Iterator[dict[str, str]]:
        model = MODELS[self._root]
        context = self._association.context(model)
        assert context is not None
        needed = [query_keys.UNIQUE_KEY[name] for name in query_keys.chain(level, "study")] if relational else []
        needed.append(query_keys.UNIQUE_KEY[level])
        asked = dict.fromkeys((*(query_keys.RETURN_KEYS[level] if fields is None else fields), *keys), "")
        ending = self.ending = Ending()
        count = unreadable = unusable = invented = 0
        identifier = query_keys.identifier(level, keys, fields)
        responses = self._association.requests(context, commands.c_find(model), identifier, cancel=cancel)
        try:
            for response in responses:
                if not response.is_pending:
                    self._end(response, cancel)
                    continue
                if response.status == 0xFF01:
                    self._note(Severity.INFO, "find.keys-ignored", "The archive did not match all of the keys")
                ending.count += 1
                try:
                    values = {**asked, **reply.row(response.dataset())}
                except (LightboxError, ValueError, KeyError, TypeError, AttributeError, struct.error):
                    unreadable += 1
                    continue
                uids = [values.get(word, "") for word in needed]
                if not all(_USABLE.fullmatch(uid) for uid in uids):
                    unusable += 1
                    continue
                invented += level != "patient" and not all(_VALID_UID.fullmatch(uid) for uid in uids)
                if limit is not None and count >= limit:
                    ending.limited = True
                    self._note(Severity.WARNING, "find.truncated", f"There are more than the {limit} that were wanted")
                    break
                count += 1
                yield values
        finally:
            responses.close()  # what is not wanted any more is cancelled
        if unreadable:
            what = f"{_replies(unreadable)} that could not be read left out"
            self._note(Severity.WARNING, "find.row-unreadable", what)
        if unusable:
            what = f"{_replies(unusable)} without a usable {needed[-1]} left out"
            self._note(Severity.WARNING, "find.row-incomplete", what)
        if invented:
            self._note(Severity.WARNING, "find.uid-invalid", f"{invented} of the UIDs are not valid")

    def _end(self, response: Response, cancel: CancelToken | None) -> None:
        status, comment = response.status, response.comment
        if status == 0x0000 or (status == 0xFE00 and cancel is not None and cancel.cancelled):
            return
        said = words.status_words(status, comment)
        warning = status & 0xF000 == 0xB000 or status == 0x0001
        # Archives that cut off end with "out of resources", a warning, or a cancel that nobody asked for
        if warning or (self.ending.count and (status == 0xFE00 or status & 0xFF00 == 0xA700)):
            self.ending.cut, self.ending.words = True, said
            self._note(Severity.WARNING, "find.truncated", f"The archive did not send everything: {said}")
            return
        raise DimseError(
            f"{self._peer.ae_title} refused the query",
            where=self._peer.name,
            why=said,
            status=status,
        )

    def _note(self, severity: Severity, code: str, what: str) -> None:
        if not any(problem.code == code for problem in self._problems):
            self._problems.append(Problem(severity, code, what, where=self._peer.name))


def _replies(number: int) -> str:
    return "1 reply was" if number == 1 else f"{number} replies were"


@contextlib.contextmanager
def session(
    peer: Peer,
    identity: LocalIdentity,
    *,
    root: str = "study",
    problems: list[Problem] | None = None,
    relational: bool = False,
    fuzzy: bool = False,
    cancel: CancelToken | None = None,
) -> Iterator[Finder]:
    """Open an association for several queries.

    Parameters
    ----------
    root : str
        ``"study"``, ``"patient"``, or ``"any"``: study root where the peer offers it, else patient root.
    problems : list of Problem, optional
        See `Finder`.
    relational, fuzzy : bool
        Ask for relational queries, and for names that sound alike. Whether the peer agreed is in the `Finder`; a peer
        that breaks off because it was asked is called again without.
    cancel : CancelToken, optional
        Looked at while the association is opened.
    """
    if root not in (*MODELS, "any"):
        raise UsageError("There is no such query root", where=root, todo="Use study or patient")
    models = list(MODELS.values())[::-1] if root == "any" else [MODELS[root]]
    information = bytes((relational, 0, fuzzy)) if fuzzy else bytes((relational,))
    extended = dict.fromkeys(models, information) if relational or fuzzy else {}
    proposals = [Proposal(model, LITTLE_ENDIAN) for model in models]
    try:
        association = open_association(peer, identity, proposals, extended=extended, cancel=cancel)
    except AssociationError as error:
        if not extended or error.code != "association.aborted":
            raise
        association = open_association(peer, identity, proposals, cancel=cancel)
    try:
        chosen = next(name for name in ("study", "patient") if association.context(MODELS[name]) is not None)
        yield Finder(association, peer, chosen, problems)
    except BaseException:
        association.abort()
        raise
    else:
        association.release()


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
    fuzzy: bool = False,
) -> Iterator[dict[str, str]]:
    """Yield what `peer` holds, one mapping of DICOM keyword to text for each match, as the replies come in.

    Parameters
    ----------
    level : str
        ``"patient"`` (patient root only), ``"study"``, ``"series"`` or ``"image"``.
    keys : mapping of str to str
        Matching keys by DICOM keyword; wildcards ``*`` and ``?``; date ranges as `query_keys.date_range`; several UIDs
        separated by backslash or comma. Keys of the levels above may be left out: where the archive agrees it is asked
        relationally, else they are asked for first.
    root : str
        ``"study"`` or ``"patient"`` (PS3.4 C.6).
    cancel : CancelToken, optional
        Sends C-CANCEL when cancelled.
    limit : int, optional
        Stop after so many matches (C-CANCEL).
    problems : list of Problem, optional
        Gets what was wrong with single replies; those are left out of the matches.
    fuzzy : bool
        Match names that sound alike, where the archive offers it.

    Raises
    ------
    AssociationError, DimseError, UsageError, Cancelled
        See `Finder.find`.
    """
    open_above = root in MODELS and bool(query_keys.above(level, query_keys.normalise(keys), root))
    with session(
        peer, identity, root=root, problems=problems, relational=open_above, fuzzy=fuzzy, cancel=cancel
    ) as finder:
        yield from finder.find(level, keys, cancel=cancel, limit=limit)
