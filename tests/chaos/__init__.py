"""The crash matrix: kill -9 of every process at five points of a start, a reset, a long block copy and a typed key."""
