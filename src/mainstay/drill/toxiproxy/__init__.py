"""Toxiproxy's HTTP API over the faults on the gateway's legs, for client libraries that there are already."""
