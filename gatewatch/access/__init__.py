"""Who may come in: passwords, sessions, tokens, and logins that an identity provider vouches for."""
