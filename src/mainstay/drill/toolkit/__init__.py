"""Chaos Toolkit: its experiments, read and run here, and ours, written for it."""
