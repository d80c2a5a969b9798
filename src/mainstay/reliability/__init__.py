"""How often does it fail? What was observed over time, and how sure that is."""
