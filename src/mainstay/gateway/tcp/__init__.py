"""Connections of which nobody looks at the bytes: TCP listeners, and upgraded ones."""
