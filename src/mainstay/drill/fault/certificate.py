"""Certificates that are made for a drill, by the `openssl` command, for a private copy to show in place of the system's own."""

import contextlib
import ipaddress
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.drill.fault.grip import Failed
from mainstay.drill.fault.intent import put
from mainstay.system.certificate import read_pair
from mainstay.system.schema import System

ENDING = 1
"""Days that a certificate has left which is to be renewed."""
RENEWED = 90
"""Days that one has which was renewed, as those of Let's Encrypt."""
_PATIENCE = 20.0


class Made(NamedTuple):
    """A certificate in place of another."""

    file: Path
    """PEM: the certificate and its key."""
    names: Sequence[str]
    """What the other is for."""


class Certificates(NamedTuple):
    """All that a private copy shows."""

    made: Sequence[Made] = ()
    files: Mapping[str, str] = {}
    """What the copy reads in place of what the system reads, by absolute path."""
    trouble: str = ""
    """Why none can be made, and what would help."""

    def renew(self, days: int) -> None:
        """Put new ones in place of all of them, each at one moment; takes some hundredths of a second each.

        Raises:
            Failed: one could not be made.
        """
        for one in self.made:
            put(one.file, _pem(one.names, days))


NOT_MADE = Certificates(
    trouble="certificates are renewed only in a private copy that was started for it: those of the running system are its owner's"
)
"""For a system that shows its own."""


def certificates(system: System, folder: Path) -> Certificates:
    """Make a certificate in place of each that a system shows to clients, for the same names.

    Args:
        system: The system.
        folder: A folder that is to be made.
    """
    if shutil.which("openssl") is None:
        return Certificates(trouble="there is no openssl here to make certificates with: install it")
    folder.mkdir(mode=0o700)
    made: dict[str, Made] = {}
    files: dict[str, str] = {}
    try:
        for opening in system.openings().values():
            for _, each in opening.entrance.tls.pairs() if opening.entrance.tls is not None else ():
                assert each.cert is not None
                assert each.key is not None
                cert, key = system.folder / each.cert, system.folder / each.key
                if str(cert) not in made:
                    made[str(cert)] = Made(folder / f"{len(made)}.pem", read_pair(cert, key).names)
                files |= {str(cert): str(made[str(cert)].file), str(key): str(made[str(cert)].file)}
        found = Certificates(list(made.values()), files)
        found.renew(RENEWED)
    except (SpecError, Failed) as problem:
        return Certificates(trouble=f"no certificate could be made: {problem}")
    return found


def _pem(names: Sequence[str], days: int) -> str:
    alternative = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in names)
    with tempfile.TemporaryDirectory(prefix="mainstay-") as folder:
        key, cert = Path(folder) / "key", Path(folder) / "cert"
        words = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ]
        words += ["-keyout", str(key), "-out", str(cert), "-days", str(days), "-subj", "/CN=Mainstay drill"]
        words += ["-addext", f"subjectAltName={alternative}"] if alternative else []
        try:
            subprocess.run(  # noqa: S603 - openssl, and words of ours
                words, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE
            )
            return cert.read_text(encoding="ascii") + key.read_text(encoding="ascii")
        except subprocess.CalledProcessError as problem:
            said = problem.stderr.decode(errors="replace").strip().splitlines()
            raise Failed(f"openssl: {said[0] if said else problem}") from problem
        except (OSError, subprocess.SubprocessError) as problem:
            raise Failed(str(problem)) from problem


def _is_address(name: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    return False
