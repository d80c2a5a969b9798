"""Faults on the legs: what goes wrong on purpose between a worker and an instance, for as long as somebody asks for it."""
