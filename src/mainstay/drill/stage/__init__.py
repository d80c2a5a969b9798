"""WHERE IS IT PLAYED? A private copy of a system, or the running one, and what has to be there for it."""
