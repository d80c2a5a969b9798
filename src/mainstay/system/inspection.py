"""What the rules of the audit find in a system file, each with its place."""

from mainstay.redundancy.audit.catalogue import OF_COMPOSE, OF_SYSTEM
from mainstay.redundancy.audit.plan import Plan
from mainstay.redundancy.audit.rule import SEVERITIES, Finding
from mainstay.system.document import Document
from mainstay.system.place import written


def inspect(plan: Plan, document: Document) -> list[Finding]:
    """Give what all rules find, the worst first, and then in the order of the file."""
    found = [
        Finding(rule, written(spot.keys), spot.message, *document.place(spot.keys, key=True))
        for rule in (OF_COMPOSE if plan.containers else OF_SYSTEM).values()
        for spot in rule.find(plan)
    ]
    worst = list(SEVERITIES)
    return sorted(
        found, key=lambda each: (worst.index(each.rule.severity), each.line, each.column, each.rule.id)
    )
