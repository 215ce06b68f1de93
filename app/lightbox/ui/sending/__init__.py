"""Sending: what goes to archives, and what is not yet known to have arrived."""
