"""Objectives for other people's tools: rules of Prometheus, a dashboard of Grafana, and OpenSLO both ways."""
