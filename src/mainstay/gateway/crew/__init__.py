"""Several workers on the same sockets: who accepts, who is told what, and who takes whose place."""
