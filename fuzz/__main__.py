"""Fuzz one target for so many seconds, or judge one input again.

python -m fuzz TARGET [SECONDS]
python -m fuzz TARGET FILE
"""

import importlib
import sys
import tempfile
from pathlib import Path

TARGETS = ("request", "answer", "systemfile")
"""Modules of this folder; `make fuzz` runs each."""
FINDINGS = Path(".fuzz")
_SLOW = 10
"""Seconds that one input may take at most: far more than any should."""


def main(target: str, what: str = "60") -> None:
    """Run what the command line says."""
    sys.path.insert(0, "tests")
    if Path(what).exists():
        importlib.import_module(f"fuzz.{target}").prepare()(Path(what).read_bytes())
        print("nothing is wrong with it")
        return
    fuzz(target, int(what))


def fuzz(target: str, seconds: int) -> None:
    """Fuzz; it ends this process, with 0 when nothing was found."""
    import atheris  # noqa: PLC0415 - whoever only judges one input again needs none

    # What is imported here counts; the parsers of others, and the laws, do not.
    with atheris.instrument_imports(include=_instrumented(target)):
        module = importlib.import_module(f"fuzz.{target}")
    FINDINGS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mainstay-fuzz-") as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(module.seeds()):
            (corpus / f"{number:04}").write_bytes(seed)
        words = Path(folder) / "words"
        words.write_text("".join(f'"{_written(token)}"\n' for token in module.TOKENS))
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={module.LARGEST}",
            f"-dict={words}",
            f"-timeout={_SLOW}",
            f"-artifact_prefix={FINDINGS}/{target}-",
            "-print_final_stats=1",
            "-rss_limit_mb=2048",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], module.prepare())
        atheris.Fuzz()


def _instrumented(target: str) -> list[str]:
    # Asked for before it is imported: it stands in the module as it is written.
    source = (Path(__file__).parent / f"{target}.py").read_text()
    line = next(line for line in source.splitlines() if line.startswith("INSTRUMENTED = "))
    return [name.strip(' "') for name in line.split("[")[1].rstrip("]").split(",")]


def _written(token: bytes) -> str:
    return "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"\\x{byte:02x}" for byte in token
    )


if __name__ == "__main__":
    if not set(sys.argv[1:2]) & set(TARGETS):
        sys.exit(f"{__doc__}\ntargets: {', '.join(TARGETS)}")
    main(*sys.argv[1:3])
