"""Replies: from a sent prompt to a finished answer, whoever watches."""
