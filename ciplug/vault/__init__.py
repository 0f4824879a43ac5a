"""Vault and OpenBao: the slim read path (login, read, revoke), and apart from it the administrative client."""
