"""Three systems side by side, and the service that they run."""
