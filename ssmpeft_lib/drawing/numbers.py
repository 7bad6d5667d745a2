"""Numbers as the book prints them: a real minus sign, thin spaces between thousands, units after a space that holds."""

from __future__ import annotations

MINUS = "\u2212"
THIN = "\u202f"
NBSP = "\u00a0"


def fixed(value: float, digits: int = 1) -> str:
    """A number with a fixed count of decimals, such as `71.0` or `−0.3`."""
    text = f"{value:.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text.lstrip("-")


def signed(value: float, digits: int = 1) -> str:
    """A difference with its sign, such as `+0.8`; a difference that rounds to nothing has none."""
    text = fixed(value, digits)
    return text if text.startswith(MINUS) or not float(text) else f"+{text}"


def grouped(count: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{count:,}".replace(",", THIN)


def duration(seconds: float) -> str:
    """Seconds as a person says them: `0.42 s`, `51 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.2g}{NBSP}s" if seconds >= 0.1 or seconds == 0 else f"{seconds:.1g}{NBSP}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{NBSP}s"
    if whole < 3600:
        return f"{whole // 60}{NBSP}min {whole % 60}{NBSP}s"
    return f"{grouped(whole // 3600)}{NBSP}h {whole % 3600 // 60}{NBSP}min"


def memory(gigabytes: float) -> str:
    """Gigabytes, or megabytes below one."""
    return f"{1000 * gigabytes:.0f}{NBSP}MB" if gigabytes < 1 else f"{gigabytes:.1f}{NBSP}GB"
