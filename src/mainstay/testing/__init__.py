"""Drills from the tests of a project: the plugin for pytest."""
