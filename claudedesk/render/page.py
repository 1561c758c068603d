"""What a reply looks like on the page just now, and the patches from there to what it should look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Block:
    """One top-level block on the page: exactly one element, which carries `data-key="<key>"`."""

    key: str
    html: str


@dataclass(frozen=True, slots=True)
class Patch:
    """One change of the page.

    If an element with `data-key=key` exists inside the reply's body, replace it with `html` (None: remove
    it). Else append `html` to the element marked `data-items="<parent>"` inside the body (None: to the body
    itself).
    """

    key: str
    html: str | None
    parent: str | None = None


class Parts(NamedTuple):
    """A block cut where it grows: `items` are a list's items or a table's rows, None for any other block."""

    head: str
    items: list[str] | None
    foot: str

    @property
    def html(self) -> str:
        return self.head + "".join(self.items or ()) + self.foot


class Page:
    """The blocks on the page. Each method changes them and returns the patches that do so in the window."""

    def __init__(self) -> None:
        self._blocks: list[Parts] = []

    def blocks(self) -> list[Block]:
        """Return all blocks."""
        return [Block(str(n), parts.html) for n, parts in enumerate(self._blocks)]

    def show(self, index: int, parts: Parts, first: int = 0) -> list[Patch]:
        """Show a block; its items count from `first`, the ones before stay as they are."""
        key = str(index)
        if index == len(self._blocks):
            self._blocks.append(parts)
            return [Patch(key, parts.html)]
        old = self._blocks[index]
        if (
            old.items is not None
            and parts.items is not None
            and (first or (old.head, old.foot) == parts[::2])
        ):
            return self._show_items(key, old.items, parts.items, first)
        self._blocks[index] = parts
        return [] if old.html == parts.html else [Patch(key, parts.html)]

    def _show_items(self, key: str, old: list[str], new: list[str], first: int) -> list[Patch]:
        patches = [
            Patch(f"{key}.{first + n}", html, key)
            for n, html in enumerate(new)
            if first + n >= len(old) or old[first + n] != html
        ]
        patches += [Patch(f"{key}.{n}", None, key) for n in range(first + len(new), len(old))]
        old[first:] = new
        return patches

    def keep(self, key: str, html: str) -> None:
        """Note that a growing leaf has already changed the block or item `key` to `html`."""
        index, dot, item = key.partition(".")
        items = self._blocks[int(index)].items
        if dot and items is not None:
            items[int(item)] = html
        else:
            self._blocks[int(index)] = Parts(html, None, "")

    def drop(self, index: int) -> list[Patch]:
        """Remove the blocks from `index` on."""
        patches = [Patch(str(n), None) for n in range(index, len(self._blocks))]
        del self._blocks[index:]
        return patches

    def become(self, blocks: list[Block]) -> list[Patch]:
        """Show exactly these blocks, touching only those that differ."""
        now = self.blocks()
        patches = [
            Patch(block.key, block.html) for n, block in enumerate(blocks) if now[n : n + 1] != [block]
        ]
        self._blocks[: len(blocks)] = [Parts(block.html, None, "") for block in blocks]
        return patches + self.drop(len(blocks))
