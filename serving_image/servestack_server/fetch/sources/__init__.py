"""Where artifacts come from, by the scheme of their address."""
