"""One check per engine: each takes the workbench and returns a report. Nothing here prints."""
