"""Receiving: processes of their own that take what others send to our port, hardened against whoever calls."""
