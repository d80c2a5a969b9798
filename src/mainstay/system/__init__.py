"""The system file: its shape, how it is read, and what is told when it is wrong."""
