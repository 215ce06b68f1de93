"""Worklist: what is planned, and making outside images part of an order."""
