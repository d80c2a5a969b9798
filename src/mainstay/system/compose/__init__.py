"""Compose files (the Compose specification): what they say of services, for the audit and for a first system file."""
