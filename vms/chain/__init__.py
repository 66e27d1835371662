"""The seal on what people did: a chain of HMACs over the audit's rows, by workers; the web process has no key to it."""
