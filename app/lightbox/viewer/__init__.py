"""Floor 6: Qt-free state of what is on screen: display sets, layouts, viewports, tools, overlays."""
