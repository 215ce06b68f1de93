"""Floor 8: Qt widgets."""
