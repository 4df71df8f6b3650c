"""Who may come in: tenants, the connections of identity providers, and their tokens."""
