"""The reading room on screen: viewports, series strip, findings and tools."""
