"""Text in, safe HTML out: the one road by which a model's or a user's words reach the page.

Importing it is cheap: markdown-it, Pygments, nh3 and math-core are loaded by the first rendering.
"""

from __future__ import annotations

from claudedesk.render.blocks import Live
from claudedesk.render.markdown import render, render_blocks, render_plain
from claudedesk.render.page import Block, Patch
from claudedesk.render.sanitize import safe_url

__all__ = ["Block", "Live", "Patch", "render", "render_blocks", "render_plain", "safe_url"]
