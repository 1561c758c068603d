"""How figures read on screen (UX §4): money, tokens, seconds, bytes, ages; imports nothing of ours."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal


def money(nanos: int | None) -> str:
    """Return dollars: up to four places under a dollar, two above; "—" when the price is unknown.

    >>> money(12_300_000), money(1_234_000_000), money(None), money(0), money(50_000_000)
    ('$0.0123', '$1.23', '—', '$0.00', '$0.05')
    """
    if nanos is None:
        return "—"
    amount = Decimal(nanos) / 1_000_000_000
    if nanos and amount < Decimal("0.0001"):
        return "< $0.0001"
    if amount >= 1:
        return f"${amount.quantize(Decimal('0.01'), rounding=ROUND_HALF_UP):,}"
    text = str(amount.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP))
    return "$" + text[:-2] + text[-2:].rstrip("0")


def dollars(nanos: int | None) -> str | None:
    """Return the exact amount in dollars as a plain decimal, for scripts; None when unknown."""
    return None if nanos is None else f"{Decimal(nanos) / 1_000_000_000:f}"


def tokens(count: int) -> str:
    """Return tokens as `980`, `12.4k` or `1.2M`."""
    if count < 1_000:
        return str(count)
    if count < 999_950:
        return f"{count / 1_000:.1f}".removesuffix(".0") + "k"
    return f"{count / 1_000_000:.1f}".removesuffix(".0") + "M"


def seconds(value: float) -> str:
    """Return a span as `0.8 s`, `8 s`, `2 min 5 s` or `3 h 20 min`."""
    if value < 9.95:
        return f"{value:.1f}".removesuffix(".0") + " s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s".removesuffix(" 0 s")
    return f"{whole // 3_600} h {whole % 3_600 // 60} min".removesuffix(" 0 min")


def age(value: float) -> str:
    """Return how long ago something was, in its largest unit: `12 s`, `5 min`, `3 h`, `2 days`."""
    whole = max(0, int(value))
    for size, unit in ((86_400, "day"), (3_600, "h"), (60, "min")):
        if whole >= size:
            count = whole // size
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
    return f"{whole} s"


def size(count: int) -> str:
    """Return bytes as `840 B`, `12 kB`, `3.4 MB`."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.1f}".removesuffix(".0") + f" {unit}"
    return f"{count} B"
