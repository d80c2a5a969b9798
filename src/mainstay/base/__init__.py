"""Words every room shares: clock, dice, outcome, facts, errors, units. Imports nothing of ours."""
