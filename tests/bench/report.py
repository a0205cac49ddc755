#!/usr/bin/env python3
"""Makes a Markdown page and pictures (SVG) of what the load generator measured.

    report.py results.jsonl --markdown out.md --pictures folder [--meta key=value ...]
    report.py --self-test

Each line of the results is a JSON object: a measurement
    {"scenario", "name", "subject", "unit", "values": [...], "goal": {"text"}, "cpu": {...},
     "lost", "repeated", "reordered", "detail": {...},
     "compared": {...}}
or a line of a plot
    {"series", "x", "y", "subject", "points": [[x, y], ...], "log_x"}
A later line of the same scenario, name and subject (series and subject) replaces an earlier one.
Only the standard library is used.
"""
import argparse
import dataclasses
import datetime
import itertools
import json
import math
import os
import pathlib
import re
import statistics
import sys
import tempfile
import xml.etree.ElementTree as xml
from xml.sax.saxutils import escape, quoteattr

OURS = "pgherald"
LOG_FROM = 20  # a factor between the largest and the smallest value, above which a scale is logarithmic

COLOURS = {OURS: "#1f66d1", "node": "#d9730d", "bare loop": "#6e7781", "bare": "#6e7781", "libpq": "#0f766e"}
OUR_OTHER_COLOURS = ["#5b93e6", "#0b3d91", "#8db4f0"]
OTHER_COLOURS = ["#7c3aed", "#be185d", "#4d7c0f", "#0891b2", "#92400e"]
INK, FAINT, GRID, PAPER = "#1f2328", "#59636e", "#e3e7ec", "#ffffff"
FONT = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclasses.dataclass
class Measurement:
    scenario: str
    name: str
    subject: str
    unit: str
    values: list
    goal: str
    cpu: dict
    lost: int
    repeated: int
    reordered: int
    detail: dict
    compared: dict

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def is_ours(self):
        return self.subject == OURS or self.subject.startswith(OURS + ",")

    @property
    def percentile(self):
        found = re.search(r"\bp\d+(\.\d+)?$", self.name)
        return found.group() if found else ""


@dataclasses.dataclass
class Series:
    title: str
    x: str
    y: str
    subject: str
    points: list
    log_x: bool


def read_results(path):
    measurements, series = {}, {}
    for number, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            if "series" in found:
                one = Series(found["series"], found["x"], found["y"], found["subject"],
                             sorted((float(p[0]), float(p[1])) for p in found["points"]), found.get("log_x", False))
                series[one.title, one.subject] = one
                continue
            goal = found.get("goal") or {}
            one = Measurement(found["scenario"], found["name"], found["subject"], found["unit"],
                              [float(value) for value in found["values"]],
                              goal if isinstance(goal, str) else goal.get("text", ""), found.get("cpu") or {},
                              *(int(found.get(key, 0)) for key in ("lost", "repeated", "reordered")),
                              found.get("detail") or {}, found.get("compared") or {})
            if not one.values:
                raise ValueError("no values")
            measurements[one.scenario, one.name, one.subject] = one
        except (ValueError, KeyError, TypeError, IndexError) as problem:
            raise SystemExit(f"{path}:{number}: {type(problem).__name__}: {problem}")
    return sorted(measurements.values(), key=lambda m: m.scenario), list(series.values())


# Numbers as text

def three_digits(value):
    if value == 0:
        return "0"
    value = float(f"{value:.3g}")
    digits = max(0, 2 - math.floor(math.log10(abs(value)) + 1e-9))
    return f"{value:,.{digits}f}" if digits < 8 else f"{value:.2g}"


def counted(value):
    """A rate or a count: 2.01 M, 51.2 k, 940."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= 0.9995 * size:
            return three_digits(value / size) + letter
    return three_digits(value)


def with_unit(value, unit):
    if unit.startswith("1/"):
        text = counted(value)
        return f"{text}/{unit[2:]}" if text[-1].isalpha() else f"{text} /{unit[2:]}"
    return f"{three_digits(value)} {unit}".rstrip()


def tick(value):
    """A number at an axis: as short as it can be."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def ratio(ours, theirs):
    if theirs == 0:
        return None
    times = ours / theirs
    if 0 < times < 0.2:
        return f"1/{three_digits(1 / times)} of"
    return f"{three_digits(times)} x"


# Who is compared with whom

def counterparts(one, measurements):
    """What one of ours is compared with: the same work done by others, else work of the same kind."""
    alike = [m for m in measurements if m.scenario == one.scenario and m.unit == one.unit and m.subject != one.subject
             and m.percentile == one.percentile and (not m.is_ours or one.subject != OURS)]
    same_work = {m.subject for m in alike if m.name == one.name}
    return [m for m in alike if m.name == one.name or (m.subject not in same_work and not m.is_ours)]


def ratios(one, measurements):
    lines = [f"{three_digits(value)} x {what}" for what, value in one.compared.items()]
    # Where the load generator compared itself, turn by turn, medians say less.
    if not one.is_ours or any(other.compared for other in measurements if other.scenario == one.scenario):
        return lines
    for other in counterparts(one, measurements):
        text = ratio(one.median, other.median)
        if text is None:
            continue
        text += f" {other.subject}"
        if other.name != one.name:
            text += f" ({other.name})"
        if one.unit == "ms" and f"{other.subject} +" in one.goal:
            text += f", {one.median - other.median:+.2f} ms"
        lines.append(text)
    return lines


# Markdown

def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def row_of(one, measurements):
    spread = f"{with_unit(min(one.values), one.unit)} – {with_unit(max(one.values), one.unit)}"
    if len(one.values) == 1:
        spread = "one run"
    cpu = " / ".join(f"{one.cpu[who]:.2f}" if who in one.cpu else "–" for who in ("server", "load", "postgres"))
    faults = f"{one.lost} / {one.repeated} / {one.reordered}"
    compared = "<br>".join(cell(line) for line in ratios(one, measurements))
    return [cell(one.scenario), cell(one.name), cell(one.subject), f"**{with_unit(one.median, one.unit)}**", spread,
            cpu if one.cpu else "", faults, compared, cell(one.goal) if one.is_ours else ""]


def table(measurements):
    lines = ["| | work | subject | median | min – max | CPU: server / load / postgres | lost / repeated / reordered "
             "| ratio | goal |", "|---|---|---|--:|--:|---|---|---|---|"]
    for one in measurements:
        lines.append("| " + " | ".join(row_of(one, measurements)) + " |")
    return lines


def details(measurements):
    lines = []
    for one in measurements:
        if one.detail:
            found = ", ".join(f"{key} {counted(value) if isinstance(value, (int, float)) else value}"
                              for key, value in one.detail.items())
            lines.append(f"- {one.scenario}, {one.subject}, {one.name}: {found}")
    return ["", "Besides:", "", *lines] if lines else []


def markdown(measurements, series, meta, pictures):
    """`pictures`: title to path, as the page refers to it."""
    lines = ["# Measurements", "", "| | |", "|---|---|"]
    lines += [f"| {cell(key)} | {cell(value)} |" for key, value in meta.items() if value and key != "command"]
    lines.append("")
    if meta.get("command"):
        lines += ["```sh", meta["command"], "```", ""]
    lines += ["Medians of equal runs, with the smallest and the largest. Server, load generator and Postgres share the machine; CPU is in",
              "cores. `ratio` is ours to the others, measured in the same run. How it is done: `tests/bench/README.md`.", ""]
    for title, path in pictures.items():
        if title not in {one.title for one in series}:
            lines += [f"![{title}]({path})", ""]
    if measurements:
        lines += table(measurements) + details(measurements) + [""]
    for title, path in pictures.items():
        if title in {one.title for one in series}:
            lines += [f"![{title}]({path})", ""]
    return "\n".join(lines).rstrip() + "\n"


# Pictures

class Picture:
    def __init__(self, width, height, title):
        self.width, self.height, self.parts = width, height, []
        self.title = title
        self.add("rect", x=0.5, y=0.5, width=width - 1, height=height - 1, rx=6, fill=PAPER, stroke=GRID)

    def add(self, name, text=None, **attributes):
        given = "".join(f" {key.replace('_', '-')}={quoteattr(f'{value:.2f}' if isinstance(value, float) else str(value))}"
                        for key, value in attributes.items())
        self.parts.append(f"<{name}{given}/>" if text is None else f"<{name}{given}>{escape(text)}</{name}>")

    def text(self, x, y, text, size=12, fill=INK, anchor="start", weight="normal", **more):
        self.add("text", text, x=float(x), y=float(y), font_size=size, fill=fill, text_anchor=anchor, font_weight=weight, **more)

    def line(self, x1, y1, x2, y2, stroke=GRID, **more):
        self.add("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), stroke=stroke, **more)

    def save(self, path):
        body = "\n".join(self.parts)
        pathlib.Path(path).write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" font-family="{FONT}">\n<title>{escape(self.title)}</title>\n{body}\n</svg>\n',
            encoding="utf-8")


class Scale:
    """Maps values to pixels, and knows its ticks."""

    def __init__(self, values, begin, end, log, ticks=5, from_zero=True):
        self.begin, self.end = begin, end
        low, high = min(values), max(values)
        self.log = log and low > 0
        if self.log:
            self.low, self.high = low, max(high, low * 1.01)
            self.ticks = self.log_ticks()
        else:
            low = min(low, 0) if from_zero else low
            if high <= low:
                high = low + 1
            step = self.step((high - low) / ticks)
            self.low, self.high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
            self.ticks = [self.low + i * step for i in range(round((self.high - self.low) / step) + 1)]

    @staticmethod
    def step(rough):
        size = 10 ** math.floor(math.log10(rough))
        return next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)

    def log_ticks(self):
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        factors = (1,) if math.log10(self.high / self.low) > 1.5 else (1, 2, 5)
        between = [f * 10.0 ** d for d in decades for f in factors]
        return [t for t in between if self.low * 0.999 <= t <= self.high * 1.001]

    def at(self, value):
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)


def colours(subjects):
    spare, our_spare = itertools.cycle(OTHER_COLOURS), itertools.cycle(OUR_OTHER_COLOURS)
    return {subject: COLOURS.get(subject) or next(our_spare if subject.startswith(OURS) else spare)
            for subject in subjects}


def lighter(colour):
    return "#" + "".join(f"{(int(colour[at:at + 2], 16) * 3 + 255 * 2) // 5:02x}" for at in (1, 3, 5))


def is_wide(values):
    return min(values) > 0 and max(values) / min(values) > LOG_FROM


def panels(measurements):
    """The groups that are shown as bars: what of one scenario can be compared. Ours first."""
    groups = {}
    for one in measurements:
        groups.setdefault((one.scenario, one.unit, one.percentile), []).append(one)
    return [sorted(group, key=lambda m: not m.is_ours) for group in groups.values()
            if len(group) > 1 and any(m.median for m in group)]


PANEL, GUTTER, EDGE, PANEL_TOP, BAR_ROW, PANEL_BOTTOM = 430, 28, 20, 50, 34, 34


def shortened(text, limit):
    return text if len(text) <= limit else text[:limit - 1].rstrip() + "…"


def draw_panel(picture, left, top, group, palette):
    title = f"{group[0].scenario}: {group[0].name}"
    values = [one.median for one in group]
    everything = [value for one in group for value in one.values]
    log = is_wide(values)
    if log:
        # Bars need a foot: the shortest one is not to look like nothing.
        foot = 10.0 ** math.floor(math.log10(min(everything) / 1.5))
        everything.append(foot)
    value_width = 72
    scale = Scale(everything, left, left + PANEL - value_width, log, ticks=4)
    better = "more is better" if group[0].unit.startswith("1/") else "less is better"
    picture.text(left, top + 16, shortened(title, 50), size=14, weight="600")
    picture.text(left, top + 33, f"{group[0].unit}, {better}{', logarithmic' if log else ''}", size=11, fill=FAINT)
    bottom = top + PANEL_TOP + BAR_ROW * len(group)
    for value in scale.ticks:
        x = scale.at(value)
        picture.line(x, top + PANEL_TOP - 6, x, bottom)
        picture.text(x, bottom + 14, tick(value), size=10, fill=FAINT, anchor="start" if x == left else "middle")
    for number, one in enumerate(group):
        y = top + PANEL_TOP + BAR_ROW * number
        label = one.subject if one.name == group[0].name else f"{one.subject}: {one.name}"
        # Its own background, so that the grid does not run through the words.
        picture.text(left + 5, y + 8, shortened(label, 62), size=11, paint_order="stroke", stroke=PAPER, stroke_width=4)
        x = scale.at(one.median)
        picture.add("rect", x=float(left), y=y + 13, width=max(1.5, x - left), height=14, rx=2,
                    fill=palette[one.subject] if one.name == group[0].name else lighter(palette[one.subject]))
        x_low, x_high = scale.at(min(one.values)), scale.at(max(one.values))
        if x_high - x_low > 3:
            for colour, width in ((PAPER, 3.5), (INK, 1.2)):
                picture.line(x_low, y + 20, x_high, y + 20, stroke=colour, stroke_width=width)
        picture.text(max(x, x_high) + 6, y + 24, with_unit(one.median, one.unit), size=12, weight="600",
                     paint_order="stroke", stroke=PAPER, stroke_width=4)
    picture.line(left, top + PANEL_TOP - 6, left, bottom, stroke=FAINT)


def draw_bars(groups, path):
    palette = colours(list(dict.fromkeys(one.subject for group in groups for one in group)))
    heights = [PANEL_TOP + BAR_ROW * len(group) + PANEL_BOTTOM for group in groups]
    # Two beside each other, read in rows.
    places, top = [], EDGE
    for first in range(0, len(groups), 2):
        places += [(EDGE, top), (EDGE + PANEL + GUTTER, top)]
        top += max(heights[first:first + 2])
    width = 2 * EDGE + 2 * PANEL + GUTTER if len(groups) > 1 else 2 * EDGE + PANEL
    picture = Picture(width, top + EDGE // 2, "Measurements: medians, with the smallest and the largest as a line")
    for group, (left, top) in zip(groups, places):
        draw_panel(picture, left, top, group, palette)
    picture.save(path)


def draw_lines(lines, path):
    width, height, left, right, top, bottom = 860, 420, 72, 28, 84, 60
    picture = Picture(width, height, lines[0].title)
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    x_scale = Scale(xs, left, width - right, lines[0].log_x, ticks=8, from_zero=False)
    log_y = is_wide(ys)
    if log_y:
        # To the next power of ten on both sides, or half of one when that is near enough.
        ys += [10.0 ** math.floor(math.log10(min(ys))), 10.0 ** math.ceil(math.log10(max(ys)))]
    y_scale = Scale(ys, height - bottom, top, log_y)
    picture.text(20, 30, lines[0].title, size=16, weight="600")
    for value in y_scale.ticks:
        y = y_scale.at(value)
        picture.line(left, y, width - right, y)
        picture.text(left - 8, y + 4, tick(value), size=11, fill=FAINT, anchor="end")
    for value in x_scale.ticks:
        x = x_scale.at(value)
        picture.line(x, top, x, height - bottom)
        picture.text(x, height - bottom + 18, tick(value), size=11, fill=FAINT, anchor="middle")
    picture.line(left, height - bottom, width - right, height - bottom, stroke=FAINT)
    picture.text((left + width - right) / 2, height - 18, lines[0].x + (", logarithmic" if x_scale.log else ""),
                 size=12, fill=FAINT, anchor="middle")
    picture.text(left, top - 12, lines[0].y + (", logarithmic" if log_y else ""), size=12, fill=FAINT)

    palette = colours([line.subject for line in lines])
    dashes = ["none", "7 4", "2 4", "10 4 2 4"]
    legend = width - right
    for number, line in reversed(list(enumerate(lines))):
        legend -= 7 * len(line.subject)
        picture.text(legend, top - 12, line.subject, size=12)
        picture.line(legend - 30, top - 16, legend - 6, top - 16, stroke=palette[line.subject], stroke_width=2.5,
                     stroke_dasharray=dashes[number % len(dashes)])
        legend -= 50
    for number, line in enumerate(lines):
        places = [(x_scale.at(x), y_scale.at(y)) for x, y in line.points]
        picture.add("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), fill="none",
                    stroke=palette[line.subject], stroke_width=2.5, stroke_linejoin="round",
                    stroke_dasharray=dashes[number % len(dashes)])
        for x, y in places:
            picture.add("circle", cx=x, cy=y, r=4, fill=palette[line.subject], stroke=PAPER, stroke_width=1.5)
    picture.save(path)


# The machine

def first_match(path, pattern):
    try:
        found = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    except OSError:
        return ""
    return found.group(1).strip() if found else ""


def machine():
    model = first_match("/proc/cpuinfo", r"^model name\s*:(.*)$") or os.uname().machine
    cores = len(os.sched_getaffinity(0))
    memory = int(first_match("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0) / 2**20
    return f"{model}, {cores} core{'s' if cores > 1 else ''}, {memory:.0f} GiB"


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "series"


def write_report(results, page, folder, given):
    measurements, series = read_results(results)
    if not measurements and not series:
        raise SystemExit(f"{results}: nothing was measured")
    system = os.uname()
    measured = datetime.datetime.fromtimestamp(pathlib.Path(results).stat().st_mtime)
    meta = {"date": measured.strftime("%Y-%m-%d"), "machine": machine(), "kernel": f"{system.sysname} {system.release}", **given}
    page, folder = pathlib.Path(page), pathlib.Path(folder)
    page.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)

    pictures = {}
    groups = panels(measurements)
    if groups:
        pictures["Bars: each scenario's medians"] = folder / "overview.svg"
        draw_bars(groups, folder / "overview.svg")
    for title in dict.fromkeys(one.title for one in series):
        pictures[title] = folder / f"{slug(title)}.svg"
        draw_lines([one for one in series if one.title == title and one.points], pictures[title])
    links = {title: pathlib.Path(os.path.relpath(path, page.parent)).as_posix() for title, path in pictures.items()}
    page.write_text(markdown(measurements, series, meta, links), encoding="utf-8")
    return list(pictures.values())


# Self-test

def synthetic():
    def measured(scenario, name, subject, unit, values, goal="", **more):
        return {"scenario": scenario, "name": name, "subject": subject, "unit": unit, "values": values,
                "goal": {"text": goal}, "cpu": {"server": 0.93, "load": 0.854, "postgres": 0.4}, "lost": 0,
                "repeated": 0, "reordered": 0, "detail": {}, **more}

    latency = "100/s to 10, INSERT due to frame"
    b = "deliveries, 64 in flight"
    return [
        measured("A", "frames a second, 1 a call", "bare loop", "1/s", [168e3, 172e3, 170e3]),
        measured("A", "deliveries, 1 in flight", "bare loop", "1/s", [161e3, 163e3, 160e3]),
        measured("A", "deliveries, 1 in flight", OURS, "1/s", [158e3, 157e3, 161e3], ">= 0.95 x a bare send loop"),
        measured("A", "deliveries, 1 in flight", "node", "1/s", [48e3, 50e3, 49e3]),
        measured("B", "frames a second, 16 a call", "bare loop", "1/s", [1.01e6, 1.03e6, 1.02e6]),
        measured("B", b, OURS, "1/s", [1.0e6, 1.0e6, 1.0e6]),  # replaced by the next line
        measured("B", b, OURS, "1/s", [1.95e6, 2.1e6, 2.04e6], ">= 2,000 k/s and >= 30 x node",
                 detail={"messages/s": 2040.0}),
        measured("B", b, "node", "1/s", [49e3, 51e3, 53e3], "not shown", reordered=1234),
        measured("C", "burst of 200 to 1,000, last delivery", OURS, "ms", [101, 99, 140, 96], "<= 150 ms"),
        measured("C", "burst of 200 to 1,000, last delivery", "node", "ms", [3400, 3300, 3600]),
        measured("E", "publishes, 5,000 sockets", OURS, "1/s", [30e3, 31e3, 29e3], "within 15 %",
                 compared={"that with nobody": 0.9123, "that with 10 (CPU)": 1.05}),
        measured("E", "rows", "libpq", "1/s", [90e3]),
        measured("F", latency + ", p50", OURS, "ms", [1.31, 1.29, 1.35], "<= libpq + 0.5 ms"),
        measured("F", "the same, due to notification, p50", "libpq", "ms", [1.01, 1.0, 1.05], cpu={}),
        measured("F", latency + ", p99", OURS, "ms", [3.1, 2.9, 3.3], "<= libpq + 1.5 ms"),
        measured("F", "the same, due to notification, p99", "libpq", "ms", [2.0, 2.1, 2.2], cpu={}),
        measured("F", "CPU at rest, 10 subscribers", OURS, "%", [0.0], "< 0.5 %"),
        measured("G", "memory of an idle subscribed socket", OURS, "KiB", [3.61]),
        measured("G", "memory of an idle subscribed socket", "node", "KiB", [6.9]),
        measured("J", b, OURS, "1/s", [2.0e6, 2.1e6]),
        measured("J", b, OURS + ", 2 shards", "1/s", [3.6e6, 3.7e6]),
        {"series": "Cost by subscribers", "x": "subscribers", "y": "µs of CPU a delivery", "subject": OURS,
         "points": [[1, 14], [10, 3.1], [100, 0.9], [1000, 0.45], [10000, 0.5]], "log_x": True},
        {"series": "Cost by subscribers", "x": "subscribers", "y": "µs of CPU a delivery", "subject": "node",
         "points": [[1, 310], [10, 60], [100, 24], [1000, 18]], "log_x": True},
        {"series": "Delay by <publishers> & more", "x": "publishers", "y": "ms", "subject": OURS,
         "points": [[1, 1.3], [8, 1.9], [32, 3.0]], "log_x": False},
    ]


def self_test(folder):
    folder = pathlib.Path(folder)
    results = folder / "results.jsonl"
    results.write_text("".join(json.dumps(line) + "\n" for line in synthetic()), encoding="utf-8")
    pictures = write_report(results, folder / "results.md", folder / "pictures",
                            {"Postgres": "15.20", "command": "tests/bench/run.sh B"})
    page = (folder / "results.md").read_text(encoding="utf-8")
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ")]
    cells = {(row[0], row[1], row[2]): row[3:] for row in rows if len(row) == 9}

    def expect(found, wanted):
        assert found == wanted, f"{found!r}, expected {wanted!r}"

    b = "deliveries, 64 in flight"
    ours = cells["B", b, OURS]
    expect(ours[0], "**2.04 M/s**")
    expect(ours[1], "1.95 M/s – 2.10 M/s")
    expect(ours[2], "0.93 / 0.85 / 0.40")
    expect(ours[3], "0 / 0 / 0")
    expect(ours[4], "2.00 x bare loop (frames a second, 16 a call)<br>40.0 x node")
    expect(ours[5], ">= 2,000 k/s and >= 30 x node")
    expect(cells["B", b, "node"][3:], ["0 / 0 / 1234", "", ""])
    expect(cells["A", "deliveries, 1 in flight", OURS][4], "0.981 x bare loop<br>3.22 x node")
    expect(cells["E", "publishes, 5,000 sockets", OURS][4], "0.912 x that with nobody<br>1.05 x that with 10 (CPU)")
    burst = cells["C", "burst of 200 to 1,000, last delivery", OURS]
    expect(burst[0], "**100 ms**")  # an even number of runs: between the middle two
    expect(burst[4], "1/34.0 of node")
    expect(cells["F", "100/s to 10, INSERT due to frame, p50", OURS][4],
           "1.30 x libpq (the same, due to notification, p50), +0.30 ms")
    expect(cells["F", "CPU at rest, 10 subscribers", OURS][:2], ["**0 %**", "one run"])
    expect(cells["J", b, OURS][4], "")
    expect(cells["J", b, OURS + ", 2 shards"][4], "1.78 x pgherald")
    assert "messages/s 2.04 k" in page and "| Postgres | 15.20 |" in page and "tests/bench/run.sh B" in page, page

    expect([path.name for path in pictures], ["overview.svg", "cost-by-subscribers.svg", "delay-by-publishers-more.svg"])
    for path in pictures:
        assert f"](pictures/{path.name})" in page, page
        root = xml.parse(path).getroot()
        expect(root.tag, "{http://www.w3.org/2000/svg}svg")
        _, _, width, height = map(float, root.get("viewBox").split())
        for part in root.iter():
            for key in ("x", "x1", "x2", "cx"):
                assert -1 <= float(part.get(key, 0)) <= width, xml.tostring(part)
            for key in ("y", "y1", "y2", "cy"):
                assert -1 <= float(part.get(key, 0)) <= height, xml.tostring(part)
    words = [part.text for part in xml.parse(pictures[0]).getroot().iter() if part.text]
    assert "2.04 M/s" in words and "1/s, more is better, logarithmic" in words, words
    expect([counted(v) for v in (0, 0.00123, 9.994, 999.6, 51200, 2.864e6)],
           ["0", "0.00123", "9.99", "1.00 k", "51.2 k", "2.86 M"])
    print(f"self-test passed: {len(cells)} rows, {len(pictures)} pictures in {folder}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?")
    parser.add_argument("--markdown", metavar="FILE")
    parser.add_argument("--pictures", metavar="FOLDER")
    parser.add_argument("--meta", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--self-test", nargs="?", const="", metavar="FOLDER",
                        help="with made-up numbers; leaves what it made in FOLDER, if one is given")
    given = parser.parse_args()
    if given.self_test is not None:
        if given.self_test:
            pathlib.Path(given.self_test).mkdir(parents=True, exist_ok=True)
            return self_test(given.self_test)
        with tempfile.TemporaryDirectory() as folder:
            return self_test(folder)
    if not (given.results and given.markdown and given.pictures):
        parser.error("results, --markdown and --pictures are needed")
    bad = [pair for pair in given.meta if "=" not in pair]
    if bad:
        parser.error(f"--meta {bad[0]}: not key=value")
    write_report(given.results, given.markdown, given.pictures, dict(pair.split("=", 1) for pair in given.meta))
    return None


if __name__ == "__main__":
    sys.exit(main())
