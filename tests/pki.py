"""Certificates that the tests make themselves, and contexts of clients and origins that use them."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import trustme

from mainstay.gateway.table import Terms
from mainstay.system.certificate import read_pair


class Authority:
    """Somebody who vouches, and all those vouched for, in a folder."""

    def __init__(self, folder, name="ca"):
        self.folder = Path(folder)
        self.name = name
        self._ca = trustme.CA(organization_name=name)
        self.file = self.folder / f"{name}.pem"
        self.file.write_bytes(self._ca.cert_pem.bytes())

    @property
    def pem(self):
        return self.file.read_text()

    def issue(self, *names, into=None, **how):
        """Make a certificate, and give its two files."""
        made = self._ca.issue_cert(*names, **how)
        stem = into or names[0].replace("*", "any").replace("@", "-at-")
        cert, key = self.folder / f"{stem}.crt", self.folder / f"{stem}.key"
        cert.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
        key.write_bytes(made.private_key_pem.bytes())
        return cert, key

    def pair(self, *names, **how):
        return read_pair(*self.issue(*names, **how))

    def terms(self, *hosts, **how):
        """Give terms with a certificate for each of these: a name, or a tuple of names."""
        each = [host if isinstance(host, tuple) else (host,) for host in hosts]
        return Terms(certificates=[self.pair(*names) for names in each], **how)

    def client(self, *names, version=None, ciphers=None, alpn=None):
        """Give the context of a client that trusts this authority, with a certificate for these names."""
        context = ssl.create_default_context(cafile=str(self.file))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if ciphers is not None:
            context.set_ciphers(ciphers)
        if alpn is not None:
            context.set_alpn_protocols(alpn)
        if names:
            context.load_cert_chain(*self.issue(*names))
        return context

    def origin(self, *names, client_ca=None):
        """Give the context of an instance, which may ask for certificates of another authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(*names))
        if client_ca is not None:
            context.load_verify_locations(str(client_ca))
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Hand:
    """A client's connection with TLS, of which every record is sent and read by hand."""

    def __init__(self, reader, writer, context, name):
        self.reader = reader
        self.writer = writer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    @classmethod
    async def reach(cls, port, context, name="shop.example"):
        return cls(*await asyncio.open_connection("127.0.0.1", port), context, name)

    async def shake(self):
        await self.do(self.session.do_handshake)

    def flush(self):
        if data := self.outgoing.read():
            self.writer.write(data)

    async def feed(self):
        data = await self.reader.read(65536)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    async def do(self, action, *how):
        async with asyncio.timeout(5):
            while True:
                try:
                    return action(*how)
                except ssl.SSLWantReadError:
                    self.flush()
                    await self.feed()
                finally:
                    self.flush()

    async def send(self, data):
        await self.do(self.session.write, data)

    async def read(self):
        """Read some of what comes; nothing at its proper end, an error at any other."""
        try:
            return await self.do(self.session.read, 65536)
        except ssl.SSLZeroReturnError:
            return b""

    async def all(self):
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)

    async def ask(self, data):
        """Ask, and give the first of what comes."""
        await self.send(data)
        return await self.read()

    def say_goodbye(self):
        """Send close_notify, and go on reading."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.session.unwrap()
        self.flush()

    def close(self):
        self.writer.close()
