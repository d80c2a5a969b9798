"""What users see when an instance fails: Mainstay and its peers, fault by fault."""
