"""Django's SQLite, with writers that wait for one another attentively."""
