"""From findings to messages."""
