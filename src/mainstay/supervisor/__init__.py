"""The processes: start, watch, restart, roll, re-adopt."""
