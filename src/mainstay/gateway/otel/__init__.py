"""Spans for OpenTelemetry: what is recorded of a sampled request, and its way to a collector."""
