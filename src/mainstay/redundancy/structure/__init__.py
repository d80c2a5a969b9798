"""How the whole depends on its parts: formulas, decision diagrams, minimal cut sets, importance, common causes."""
