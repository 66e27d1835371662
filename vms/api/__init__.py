"""The dashboard for programs, at /api/v1/: the pages' own questions and services, answered as JSON."""
