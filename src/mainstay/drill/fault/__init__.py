"""WHAT CAN BREAK? Every kind of fault: what it does, how it is confirmed, and how it is undone."""
