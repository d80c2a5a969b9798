"""Durations, sizes and shares as people write them: `500ms`, `64KiB`, `99.95%`.

Each unit has a pair: `parse_*` reads what a person wrote and refuses all else with the units that are
allowed; `format_*` writes a value so that reading it again gives the value back.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

DURATION_UNITS: Mapping[str, int] = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}
"""What a duration may be written in, in milliseconds."""

SIZE_UNITS: Mapping[str, int] = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
"""What a size may be written in, in bytes; `KB` is 1,000 and `KiB` 1,024, as the IEC says (80000-13)."""

# ASCII digits only: `\d` would let other scripts' digits through, which nobody means. Twelve digits are
# more than any machine has of anything, and keep every number far from overflowing.
_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
DURATION_PATTERN = rf"^(0|{_NUMBER}(ms|s|m|h|d))$".replace("([0-9]", "(?:[0-9]")
SIZE_PATTERN = rf"^(0|{_NUMBER}(B|KB|MB|GB|KiB|MiB|GiB))$".replace("([0-9]", "(?:[0-9]")
SHARE_PATTERN = rf"^{_NUMBER}%$".replace("([0-9]", "(?:[0-9]")
