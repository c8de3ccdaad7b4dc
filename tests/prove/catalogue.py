"""Every row there is: one module each, named by its id."""

import pkgutil
import re
from functools import cache
from importlib import import_module

from tests import prove
from tests.prove.rows import Row

_NAMED = re.compile(r"([a-z])(\d+)_\w+")


@cache
def _modules() -> dict[str, str]:
    names = [module.name for module in pkgutil.iter_modules(prove.__path__)]
    found = [match for name in names if (match := _NAMED.fullmatch(name))]
    found.sort(key=lambda match: ("DFCA".index(match[1].upper()), int(match[2])))
    return {f"{match[1].upper()}{match[2]}": match[0] for match in found}


def ids(*, group: str | None = None, row: str | None = None) -> list[str]:
    """Return the ids of the rows that were asked for, in the order of the promises."""
    wanted = [row.upper()] if row else list(_modules())
    if group:
        wanted = [one for one in wanted if one[0] == group.upper()]
    return [one for one in wanted if one in _modules()]


def find(id: str) -> Row:
    """Return one row."""
    row: Row = import_module(f"tests.prove.{_modules()[id]}").ROW
    return row
