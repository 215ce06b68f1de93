"""The sample study and the embedded archive that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightbox.core import resources
from lightbox.network.archive import Archive
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.workstation import Workstation

PEER_NAME = "Sample archive"
ARCHIVE_AE_TITLE = "SAMPLEARCHIVE"
LOOPBACK = "127.0.0.1"


@contextmanager
def running_archive(folder: Path, workstation: Workstation) -> Iterator[Archive]:
    """Make the sample study, put it into an archive on loopback and make the archive known to `workstation`.

    Parameters
    ----------
    folder : Path
        Scratch folder for the files and the archive's own library.
    workstation : Workstation
        Gets the archive as a peer, and a free port on loopback for its own receiver.
    """
    from lightbox.library.library import Library

    resources.package("sample_study").make(folder / "study")
    library = Library.open(folder / "archive")
    try:
        library.import_paths([folder / "study"])
        identity = LocalIdentity(ae_title=workstation.identity.ae_title, port=0, host=LOOPBACK)
        identity.save(workstation.settings)
        archive = Archive(library, ARCHIVE_AE_TITLE, 0)
        archive.start()
        try:
            workstation.peers.add(Peer(PEER_NAME, ARCHIVE_AE_TITLE, LOOPBACK, archive.port), replace=True)
            yield archive
        finally:
            archive.stop()
    finally:
        library.close()
