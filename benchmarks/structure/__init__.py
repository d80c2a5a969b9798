"""How long the structure of fault trees takes, against published results."""
