"""Which archive to send to: a menu of the archives, in the order of the settings."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QMenu, QWidget

from lightbox.network.peers import PeerBook


def show(owner: QWidget, peers: PeerBook, chosen: Callable[[str], object], add_archive: Callable[[], object]) -> QMenu:
    """Open the menu under `owner`; `chosen` gets the name of the archive."""
    menu = QMenu(owner)
    for number, peer in enumerate(peers.all(), start=1):
        entry = menu.addAction(f"{'&' + str(number) + '  ' if number < 10 else ''}{peer.name}")
        entry.setToolTip(f"{peer.ae_title} at {peer.host}:{peer.port}")
        entry.triggered.connect(lambda _=False, name=peer.name: chosen(name))
    if menu.isEmpty():
        menu.addAction("Add an archive…").triggered.connect(lambda: add_archive())
    menu.setToolTipsVisible(True)
    menu.aboutToHide.connect(menu.deleteLater)
    menu.popup(owner.mapToGlobal(QPoint(0, owner.height() + 4)))
    return menu
