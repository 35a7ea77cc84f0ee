"""Compare what an installed framework registers with the catalogue (`python -m conformance sync`)."""
