"""Connections for HTTP as we make them: our own name resolution, TCP and TLS, in the words of the network room.

Nothing here looks at the environment: no proxies, no bundles of certificate authorities, no ``.netrc``.
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from lightbox.network import words

if TYPE_CHECKING:
    import socket

    from lightbox.network.errors import AssociationError
    from lightbox.network.identity import TlsSettings
    from lightbox.network.peers import Peer

# They write addresses with their queries into the log: names and numbers of patients among them
for _name in ("urllib3", "requests", "dicomweb_client", "retrying"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_CONNECTIONS = 8
_ABOUT_OUR_CERTIFICATE = ("tls.client-certificate-demanded", "tls.our-certificate-refused")
_BLOCK = 256 * 1024


class Adapter(HTTPAdapter):
    """Connections to one peer; https by our own TLS settings and nothing else.

    The adapter of the library adds the authorities of its own bundle to every context: with it, a peer whose authority
    we chose could be impersonated by anyone who has a public certificate.

    Parameters
    ----------
    peer : Peer
        With host and port of its DICOMweb address.
    tls : TlsSettings
        For https.
    """

    def __init__(self, peer: Peer, tls: TlsSettings) -> None:
        self._peer = peer
        self._tls = tls
        super().__init__(pool_connections=1, pool_maxsize=_CONNECTIONS, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make pools of our own connections."""
        super().init_poolmanager(*arguments, blocksize=_BLOCK, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._peer, self._tls)

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Leave all that concerns certificates to the connection."""
        return super().build_connection_pool_key_attributes(request, True, None)[0], {}

    def refusal(self, causes: list[BaseException]) -> AssociationError | None:
        """Return the words for a server that ended TLS after the handshake, as 1.3 refuses our certificate."""
        found = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
        if found is None:
            return None
        from lightbox.network import tls

        return tls.late_failure(found, self._peer, self._tls)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing: our connections check certificates themselves."""


def _pools(peer: Peer, settings: TlsSettings) -> dict[str, Any]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(peer, super()._new_conn)

    class Encrypted(HTTPSConnection):
        def connect(self) -> None:
            from lightbox.network import tls

            self.sock = tls.connect(_connected(peer, self._new_conn), peer, settings)
            self.is_verified = True
            self.answered = False

        def getresponse(self) -> Any:
            try:
                response = super().getresponse()
            except OSError as error:
                # With TLS 1.3 a server judges our certificate only when we think that the handshake is over
                late = None
                if not self.answered:
                    from lightbox.network import tls

                    late = tls.late_failure(error, peer, settings)
                if late is not None and late.code in _ABOUT_OUR_CERTIFICATE:
                    raise late from error
                raise
            self.answered = True
            return response

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain  # pyright: ignore[reportAssignmentType]

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted  # pyright: ignore[reportAssignmentType]

    return {"http": PlainPool, "https": EncryptedPool}


def _connected(peer: Peer, connect: Any) -> socket.socket:
    try:
        return connect()
    except NameResolutionError as error:
        raise words.name_unknown(peer) from error
    except NewConnectionError as error:
        cause = error.__cause__
        raise words.tcp_failed(peer, cause if isinstance(cause, OSError) else OSError("no connection")) from error
    except ConnectTimeoutError as error:
        raise words.tcp_failed(peer, TimeoutError()) from error
