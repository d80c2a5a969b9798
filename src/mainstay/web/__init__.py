"""The control API: what the commands ask of a running system, over HTTP on a Unix socket."""
