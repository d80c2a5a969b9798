"""What a system's description says of its redundancy: what may be lost, and what should be otherwise."""
