"""The sample study and the embedded archive that holds it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from lightbox.core import resources
from lightbox.network.archive import Archive
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.workstation import Workstation

PEER_NAME = "Sample archive"
ARCHIVE_AE_TITLE = "SAMPLEARCHIVE"
LOOPBACK = "127.0.0.1"
_PACKAGE = "lightbox_sample_study"


def recipe() -> ModuleType:
    """Return the module that makes the sample study (it is a resource, not a part of the program)."""
    found = sys.modules.get(f"{_PACKAGE}.make")
    if found is not None:
        return found
    folder = resources.path("sample_study")
    for name, path in ((_PACKAGE, folder / "__init__.py"), (f"{_PACKAGE}.make", folder / "make.py")):
        spec = importlib.util.spec_from_file_location(
            name, path, submodule_search_locations=[str(folder)] if path.name == "__init__.py" else None
        )
        if spec is None or spec.loader is None:
            raise ImportError(str(path))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[f"{_PACKAGE}.make"]


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

    recipe().make(folder / "study")
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
