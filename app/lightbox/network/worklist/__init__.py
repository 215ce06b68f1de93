"""Worklists: what is planned, what was done, what is available, and outside files made part of an order here."""
