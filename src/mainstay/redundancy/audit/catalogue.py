"""All rules of the audit."""

from mainstay.redundancy.audit import backup, survival
from mainstay.redundancy.audit.rule import Rule

RULES: dict[str, Rule] = {rule.id: rule for rule in (*backup.RULES, *survival.RULES)}
"""Each rule by its id."""
