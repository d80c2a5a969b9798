"""How available will it be? Structure, coverage, and how often things fail and for how long, put together."""
