"""What scripts/run does before the dashboard starts. The standard library alone, on Debian's own Python: on a fresh
machine there is nothing else yet."""
