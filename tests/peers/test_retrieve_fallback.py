"""What is done when an archive does not offer a method, or not as the standard wants: archives good and bad."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from builders import network_objects
from builders.peer_servers import Server, free_port
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.network.echo import echo
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.find import find
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, WebSettings
from lightbox.network.retrieve import retrieve
from lightbox.network.send import send
from lightbox.network.stored import of_files

ECHO = "1.2.840.10008.1.1"
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
LITTLE_ENDIAN = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


@pytest.mark.peers
@pytest.mark.data
@pytest.mark.xdist_group("peers")
@pytest.mark.parametrize(("title", "method"), [("LIGHTBOX", "c-get"), ("NOGET", "c-move")])
def test_each_next_method_in_turn(orthanc: Server, originals: dict, home: Path, title: str, method: str) -> None:
    """Orthanc without its DICOMweb plugin, and for one title without C-GET."""
    peer = dataclasses.replace(orthanc.peer(), web=WebSettings(f"http://127.0.0.1:{orthanc.http_port}/dicom-web"))
    study_uid = str(next(ds for path, ds in originals.values() if "gantry" in str(path)).StudyInstanceUID)
    settings = Settings(home)
    with Library.open(home) as library:
        report = retrieve(peer, orthanc.identity(title), library, study_uid, settings=settings)
        assert report.complete
        assert report.method == method
        assert report.notes[0].startswith("WADO-RS: ")
        assert len(report.notes) == (1 if method == "c-get" else 2)
        again = retrieve(peer, orthanc.identity(title), library, study_uid, settings=settings, force=True)
        assert (again.method, again.notes) == (method, [])


class Independent:
    """An archive on pynetdicom's own runtime; it holds a few images and misbehaves as it is told."""

    def __init__(
        self,
        datasets: list[Dataset],
        *,
        roles: bool = True,
        get: bool = True,
        classes: bool = True,
        fail: set[str] | None = None,
        destination: tuple[str, int] | None = None,
        busy: int = 0,
        breaks_off: bool = False,
    ) -> None:
        self.datasets = datasets
        self.classes = classes
        self.fail = set(fail or ())
        self.destination = destination
        self.busy = busy
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []
        self.breaks_off = breaks_off
        self.proposed: list[set[tuple[str, str]]] = []
        self.roles: list[set[str]] = []
        self.ae = AE("INDEPENDENT")
        self.ae.add_supported_context(ECHO, LITTLE_ENDIAN)
        for model in (FIND, MOVE, *((GET,) if get else ())):
            self.ae.add_supported_context(model, LITTLE_ENDIAN)
        for sop_class in {str(ds.SOPClassUID) for ds in datasets}:
            syntaxes = sorted({str(ds.file_meta.TransferSyntaxUID) for ds in datasets if ds.SOPClassUID == sop_class})
            # Without role items in its answer we stay what we are by default: SCU
            self.ae.add_supported_context(sop_class, syntaxes, scu_role=roles or None, scp_role=roles or None)
            self.ae.add_requested_context(sop_class, syntaxes)
        handlers: list[Any] = [(evt.EVT_C_FIND, self._find), (evt.EVT_C_GET, self._get), (evt.EVT_C_MOVE, self._move)]
        handlers.append((evt.EVT_REQUESTED, self._requested))
        self.server = self.ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)

    @property
    def peer(self) -> Peer:
        return Peer("independent", "INDEPENDENT", "127.0.0.1", self.server.server_address[1], associations=1)

    def __enter__(self) -> Independent:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()

    def _requested(self, event: evt.Event) -> None:
        contexts = event.assoc.requestor.requested_contexts
        self.proposed.append({(str(c.abstract_syntax), str(s)) for c in contexts for s in c.transfer_syntax})
        self.roles.append({str(uid) for uid in event.assoc.requestor.role_selection})
        if self.breaks_off and self.roles[-1]:
            event.assoc.acse.send_abort(0x00)
            event.assoc.kill()

    def _select(self, identifier: Dataset) -> list[Dataset]:
        def fits(ds: Dataset) -> bool:
            for word in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
                wanted = identifier.get(word) or ""
                values = [wanted] if isinstance(wanted, str) else list(wanted)
                if any(values) and ds[word].value not in values:
                    return False
            return True

        return [ds for ds in self.datasets if fits(ds)]

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        identifier = event.identifier
        level = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}.get(
            identifier.QueryRetrieveLevel, "SOPInstanceUID"
        )
        for ds in {ds[level].value: ds for ds in self._select(identifier)}.values():
            row = Dataset()
            row.QueryRetrieveLevel = identifier.QueryRetrieveLevel
            for element in identifier:
                hidden = element.keyword in ("SOPClassUID", "SOPClassesInStudy") and not self.classes
                if element.keyword in ds and not hidden:
                    row[element.keyword] = ds[element.keyword]
            yield 0xFF00, row

    def _suboperations(self, event: evt.Event, name: str) -> list[Dataset]:
        identifier = event.identifier
        uids = identifier.get("SOPInstanceUID") or ()
        self.asked.append((name, identifier.QueryRetrieveLevel, (uids,) if isinstance(uids, str) else tuple(uids)))
        return self._select(identifier)

    def _get(self, event: evt.Event) -> Iterator[Any]:
        found = self._suboperations(event, "c-get")
        yield len(found)
        for ds in found:
            if str(ds.SOPInstanceUID) in self.fail:
                self.fail.discard(str(ds.SOPInstanceUID))
                broken = Dataset()
                broken.file_meta = ds.file_meta
                broken.SOPClassUID, broken.SOPInstanceUID = "1.2.3.4", ds.SOPInstanceUID
                yield 0xFF00, broken
            else:
                yield 0xFF00, ds

    def _move(self, event: evt.Event) -> Iterator[Any]:
        found = self._suboperations(event, "c-move")
        yield self.destination or (None, None)
        if self.destination is None:
            return
        yield len(found)
        if self.busy:
            self.busy -= 1
            yield 0xA702, None
            return
        for ds in found:
            yield 0xFF00, ds


@pytest.fixture
def images() -> list[Dataset]:
    return [network_objects.ct("fallback", "a", number) for number in range(5)]


@pytest.fixture
def identity() -> LocalIdentity:
    return LocalIdentity("LIGHTBOX", free_port(), "127.0.0.1", association_timeout=5, dimse_timeout=10)


def study(images: list[Dataset]) -> str:
    return str(images[0].StudyInstanceUID)


def test_an_archive_that_grants_no_roles_sends_by_c_move(
    images: list[Dataset], identity: LocalIdentity, home: Path
) -> None:
    settings = Settings(home)
    with (
        Library.open(home) as library,
        Independent(images, roles=False, destination=("127.0.0.1", identity.port)) as archive,
    ):
        report = retrieve(archive.peer, identity, library, study(images), settings=settings)
        assert (report.summary(), report.method) == ("5 of 5", "c-move")
        archive.asked.clear()
        again = retrieve(archive.peer, identity, library, study(images), settings=settings, force=True)
        assert (again.method, [name for name, _, _ in archive.asked]) == ("c-move", ["c-move"])


def test_an_archive_without_c_get_sends_by_c_move(images: list[Dataset], identity: LocalIdentity, home: Path) -> None:
    with (
        Library.open(home) as library,
        Independent(images, get=False, destination=("127.0.0.1", identity.port)) as archive,
    ):
        assert retrieve(archive.peer, identity, library, study(images)).method == "c-move"
        with pytest.raises(AssociationError) as caught:
            retrieve(archive.peer, identity, library, study(images), method="c-get", force=True)
    assert caught.value.code == "get.not-offered"


def test_roles_are_asked_for_only_where_objects_come_back(
    images: list[Dataset], identity: LocalIdentity, home: Path, tmp_path: Path
) -> None:
    paths = network_objects.write(tmp_path / "sent", images)
    with (
        Library.open(home) as library,
        Independent(images, destination=("127.0.0.1", identity.port)) as archive,
    ):
        assert echo(archive.peer, identity).ok
        assert len(list(find(archive.peer, identity, "study", {"StudyInstanceUID": study(images)}))) == 1
        assert retrieve(archive.peer, identity, library, study(images), method="c-move").complete
        send(archive.peer, identity, of_files(paths))
        assert len(archive.roles) >= 4
        assert not any(archive.roles)
        retrieve(archive.peer, identity, library, study(images), method="c-get", force=True)
        assert set().union(*archive.roles) == {network_objects.CT}  # for C-GET itself none


def test_an_archive_that_breaks_off_over_roles_sends_by_c_move(
    images: list[Dataset], identity: LocalIdentity, home: Path
) -> None:
    settings = Settings(home)
    with (
        Library.open(home) as library,
        Independent(images, destination=("127.0.0.1", identity.port), breaks_off=True) as archive,
    ):
        report = retrieve(archive.peer, identity, library, study(images), settings=settings)
        assert (report.summary(), report.method) == ("5 of 5", "c-move")
        archive.roles.clear()
        again = retrieve(archive.peer, identity, library, study(images), settings=settings, force=True)
        assert again.method == "c-move"
        assert not any(archive.roles)  # it is remembered


def test_what_failed_is_asked_for_by_its_uid_with_its_class(
    images: list[Dataset], identity: LocalIdentity, home: Path
) -> None:
    images[3].SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    lost = str(images[3].SOPInstanceUID)
    with Library.open(home) as library, Independent(images, fail={lost}) as archive:
        report = retrieve(archive.peer, identity, library, study(images), method="c-get")
        assert report.summary() == "5 of 5"
        assert archive.asked[-1] == ("c-get", "IMAGE", (lost,))
        storage = {abstract for abstract, _ in archive.proposed[-1]} - {GET}
        assert storage == {"1.2.840.10008.5.1.4.1.1.7"}


def test_an_archive_that_tells_no_classes(images: list[Dataset], identity: LocalIdentity, home: Path) -> None:
    images[2].SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"  # nothing that its modality would let expect
    with Library.open(home) as library, Independent(images, classes=False) as archive:
        assert retrieve(archive.peer, identity, library, study(images), method="c-get").summary() == "5 of 5"


def test_an_archive_that_is_busy_is_asked_again(
    images: list[Dataset], identity: LocalIdentity, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightbox.network.retrieving import by_move

    monkeypatch.setattr(by_move, "PAUSES_S", (0.05, 0.05))
    with (
        Library.open(home) as library,
        Independent(images, destination=("127.0.0.1", identity.port), busy=2) as archive,
    ):
        report = retrieve(archive.peer, identity, library, study(images), method="c-move")
        assert report.summary() == "5 of 5"
        assert len(archive.asked) == 3


def test_an_archive_that_stays_busy_and_one_that_does_not_know_us(
    images: list[Dataset], identity: LocalIdentity, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightbox.network.retrieving import by_move

    monkeypatch.setattr(by_move, "PAUSES_S", (0.05,))
    with Library.open(home) as library:
        with Independent(images, destination=("127.0.0.1", identity.port), busy=99) as archive:
            report = retrieve(archive.peer, identity, library, study(images), method="c-move")
            assert report.received == 0
            assert {uid for uid, _ in report.failed} == {str(ds.SOPInstanceUID) for ds in images}
            assert all("0xA702" in reason for _, reason in report.failed)
            advice = f"must be able to reach AE title LIGHTBOX on port {identity.port} of this computer"
            assert sum(advice in note for note in report.notes) == 1
        with Independent(images) as archive, pytest.raises(DimseError) as caught:
            retrieve(archive.peer, identity, library, study(images), method="c-move")
    assert caught.value.status == 0xA801
    assert f"port {identity.port}" in caught.value.todo
