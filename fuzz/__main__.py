"""Fuzz one target for so many seconds, or judge one input again.

python -m fuzz TARGET [SECONDS]
python -m fuzz TARGET FILE
python -m fuzz --list
"""

import importlib
import os
import sys
import tempfile
from pathlib import Path

TARGETS = ("request", "answer", "preamble", "systemfile", "faulttree")
"""Modules of this folder; `make fuzz` runs each."""
FINDINGS = Path(".fuzz")
_NO_READERS = (
    "mainstay.redundancy.pool",
    "mainstay.tolerance.call",
    "mainstay.base.histogram",
    "mainstay.gateway.wheel",
)
"""What is on the path of every request and reads no byte: to watch it would only slow the rest down."""
_SLOW = 10
"""Seconds that one input may take at most: far more than any should."""


def main(target: str, what: str = "60") -> None:
    """Run what the command line says."""
    sys.path.insert(0, "tests")
    if Path(what).exists():
        with importlib.import_module(f"fuzz.{target}").prepared() as judge:
            judge(Path(what).read_bytes())
        print("nothing is wrong with it")
        return
    with tempfile.TemporaryDirectory(prefix="mainstay-fuzz-") as folder:
        child = os.fork()
        if child == 0:
            tempfile.tempdir = folder
            fuzz(target, int(what), Path(folder))
        _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


def fuzz(target: str, seconds: int, folder: Path) -> None:
    """Fuzz; the fuzzer ends this process on the spot, so that somebody else has to clear the folder away."""
    import atheris  # noqa: PLC0415 - whoever only judges one input again needs none

    for name in _NO_READERS:
        importlib.import_module(name)
    # What is imported from here on counts; other people's parsers, and the laws, do not.
    with atheris.instrument_imports(include=["mainstay"]):
        module = importlib.import_module(f"fuzz.{target}")
    FINDINGS.mkdir(exist_ok=True)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(module.seeds()):
        (corpus / f"{number:04}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{_written(token)}"\n' for token in module.TOKENS))
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={module.LARGEST}",
        f"-dict={words}",
        "-len_control=0",
        f"-timeout={_SLOW}",
        f"-artifact_prefix={FINDINGS}/{target}-",
        "-print_final_stats=1",
        "-rss_limit_mb=2048",
    ]
    with module.prepared() as judge:
        atheris.Setup([sys.argv[0], *options, str(corpus)], judge)
        atheris.Fuzz()


def _written(token: bytes) -> str:
    return "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"\\x{byte:02x}" for byte in token
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print(*TARGETS)
        sys.exit()
    if not set(sys.argv[1:2]) & set(TARGETS):
        sys.exit(f"{__doc__}\ntargets: {', '.join(TARGETS)}")
    main(*sys.argv[1:3])
