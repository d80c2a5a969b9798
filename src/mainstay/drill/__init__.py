"""WHAT DO USERS SEE? Open-loop load, the service it is aimed at, and the tally of what came back."""
