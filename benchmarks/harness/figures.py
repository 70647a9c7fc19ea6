"""Figures: several runs of one quantity, what they are compared with, and the table."""
import dataclasses
import statistics


@dataclasses.dataclass
class Figure:
    row: str
    what: str
    unit: str
    runs: list
    peer: str = ""            # whose figure stands beside it
    peer_runs: list = dataclasses.field(default_factory=list)
    design: str = ""          # DESIGN's words about it
    reach: float | None = None  # the limit or floor in the figure's unit; None: nothing to reach
    smaller_is_better: bool = False
    detail: dict = dataclasses.field(default_factory=dict)

    @property
    def median(self):
        return statistics.median(self.runs)

    @property
    def peer_median(self):
        return statistics.median(self.peer_runs) if self.peer_runs else None

    @property
    def reached(self):
        if self.reach is None:
            return None
        return self.median <= self.reach if self.smaller_is_better else self.median >= self.reach

    def as_json(self):
        return {**dataclasses.asdict(self), "median": self.median, "min": min(self.runs), "max": max(self.runs),
                "peer_median": self.peer_median, "reached": self.reached}


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 10_000:
        return f"{value / 1000:,.1f}k"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"


def table(figures):
    head = ["row", "what", "Opaline (median, min..max)", "unit", "peer", "to reach", ""]
    rows = [head]
    for f in figures:
        spread = f"{number(f.median)}  ({number(min(f.runs))}..{number(max(f.runs))})"
        peer = f"{f.peer} {number(f.peer_median)}" if f.peer_runs else f.peer
        sign = "<=" if f.smaller_is_better else ">="
        reach = f"{sign} {number(f.reach)}" if f.reach is not None else f.design
        verdict = {True: "reached", False: "MISSED", None: ""}[f.reached]
        rows.append([f.row, f.what, spread, f.unit, peer, reach, verdict])
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(r, widths)).rstrip() for r in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
