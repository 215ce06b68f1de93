"""The durable send queue: what is to be sent, what was accepted, and what the archive confirmed."""
