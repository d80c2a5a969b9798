"""The access log: lines, and the file that they are appended to."""
