"""The report: one HTML file of what was run, claimed, drawn and measured, which opens offline."""
