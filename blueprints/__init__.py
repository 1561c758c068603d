"""The built-in plugins: everything that has a page."""

APP = "claudedesk"
"""Tells claudedesk's `blueprints` from somebody else's package of that common name."""
