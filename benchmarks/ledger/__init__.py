"""What the ledger takes: so many facts a second, so much of the disk for a year, and so long for a report."""
