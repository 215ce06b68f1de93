"""Asking many archives at once, queries that are kept, and the earlier studies of a patient."""
