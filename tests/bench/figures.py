"""Every figure, in the order it is printed. A new one is a file like the others and a line here."""

from tests.bench import (
    p1_open,
    p3_decide,
    p4_decide_together,
    p5_queue_page,
    p6_pages,
    p7_desk,
    p8_sweep,
    p9_audit,
    p10_sockets,
    p11_waiting,
    p12_dispatch,
    p13_memory,
    p14_sqlite,
)
from tests.bench.figure import Figure

FIGURES: tuple[Figure, ...] = (
    p1_open.FIGURE,
    p3_decide.FIGURE,
    p4_decide_together.FIGURE,
    p5_queue_page.FIGURE,
    p6_pages.FIGURE,
    p7_desk.FIGURE,
    p8_sweep.FIGURE,
    p9_audit.FIGURE,
    p10_sockets.FIGURE,
    p11_waiting.FIGURE,
    p12_dispatch.FIGURE,
    p13_memory.FIGURE,
    p14_sqlite.FIGURE,
)
