"""claudedesk, a desktop chat app for Claude. The version stands here alone; this file imports nothing."""

__version__ = "0.1.0"
