"""Coverage-guided fuzzing: bytes that no one would think of, against laws that must hold for all bytes."""
