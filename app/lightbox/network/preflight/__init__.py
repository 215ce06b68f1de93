"""Conformance pre-flight: what a peer's vendor declared, what we need, and what a live probe without data shows."""
