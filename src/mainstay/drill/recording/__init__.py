"""WHAT DO USERS ASK FOR? Requests that were recorded or described by others, as a mix for the load."""
