"""The forms of a report: what `report` gives as plain values, as text for those who read it."""
