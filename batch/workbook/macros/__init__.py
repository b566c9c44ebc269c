"""The macros behind the buttons: their VBA source (.bas) and the build of Excel's binary form of it."""
