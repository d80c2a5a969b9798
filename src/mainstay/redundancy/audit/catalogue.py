"""All rules of the audit."""

from mainstay.redundancy.audit import backup, composed, survival
from mainstay.redundancy.audit.rule import Rule

OF_SYSTEM: dict[str, Rule] = {rule.id: rule for rule in (*backup.RULES, *survival.RULES)}
"""Those about system files, each by its id."""
OF_COMPOSE: dict[str, Rule] = {rule.id: rule for rule in composed.RULES}
"""Those about Compose files."""
RULES: dict[str, Rule] = OF_SYSTEM | OF_COMPOSE
"""Each rule by its id."""
