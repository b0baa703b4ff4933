"""Lighthouse, installed once from npm, and what it says of a page."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from courseware.notebooks import CourseError, write_atomic
from courseware.pdf import PrintError, find_chromium

VERSION = "12.8.2"  # the newest that Node.js 18 runs
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
SLOWDOWN = 4
TIMEOUT = 300  # seconds for a page
# Paint holding keeps the page before on the screen. Without a graphics card the compositor then takes the new
# one for idle and gives it one frame a second, so that even an empty page can wait for a second.
_BROWSER = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-features=PaintHolding"
_NODE = "Node.js with npm is not installed: get it from nodejs.org or the system's packages"


class OutOfPatience(CourseError):
    """Lighthouse gave up waiting for the browser: the page is too much for it."""


class Unavailable(Exception):
    """What measuring needs is not there."""


@dataclass(frozen=True)
class View:
    """One look at a page.

    Attributes:
        scores: category -> 0 to 100.
        paint: seconds to the first contentful paint.
        blocking: seconds of total blocking time.
        transferred: bytes, compressed as the server sent them.
        unpacked: the same before compression.
        failed: names of audits that count and did not pass.
    """

    scores: dict[str, float]
    paint: float
    blocking: float
    transferred: int
    unpacked: int
    failed: list[str]

    @classmethod
    def of(cls, report: dict[str, Any]) -> View:
        """Read one of Lighthouse's reports."""
        audits, categories = report["audits"], report["categories"]
        requests = audits["network-requests"]["details"]["items"]
        counted = {ref["id"] for name in CATEGORIES for ref in categories[name]["auditRefs"] if ref["weight"]}
        return cls(
            {name: 100 * (categories[name]["score"] or 0) for name in CATEGORIES},
            audits["first-contentful-paint"]["numericValue"] / 1000,
            audits["total-blocking-time"]["numericValue"] / 1000,
            sum(each.get("transferSize", 0) for each in requests),
            sum(each.get("resourceSize", 0) for each in requests),
            sorted(name for name in counted if (audits[name]["score"] or 0) < 0.9),
        )


def install(folder: Path) -> Path:
    """Install the pinned Lighthouse into ``folder`` unless it is there; return its program.

    Raises:
        Unavailable: there is no npm, or it failed.
    """
    program = folder / VERSION / "node_modules" / ".bin" / "lighthouse"
    if program.exists():
        return program
    npm = shutil.which("npm")
    if not (npm and shutil.which("node")):
        raise Unavailable(_NODE)
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder / VERSION)]
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([*command, f"lighthouse@{VERSION}"], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"npm could not install lighthouse: {(done.stderr.splitlines() or [''])[-1]}")
    return program


def look(program: Path, address: str, kept: Path) -> View:
    """Let Lighthouse look at a page as on a phone with a slow processor; a report that is kept is read.

    Raises:
        Unavailable: there is no browser.
        OutOfPatience: the page is too much for Lighthouse.
        CourseError: Lighthouse failed otherwise.
    """
    if not kept.exists():
        try:
            browser = find_chromium()
        except PrintError as error:
            raise Unavailable(str(error)) from None
        made = kept.with_suffix(".partial")
        kept.parent.mkdir(parents=True, exist_ok=True)
        command = [str(program), address, "--quiet", "--output=json", f"--output-path={made}"]
        command += ["--throttling-method=devtools", f"--throttling.cpuSlowdownMultiplier={SLOWDOWN}"]
        command += [f"--throttling.{name}=0" for name in ("requestLatencyMs", "downloadThroughputKbps")]
        command += ["--throttling.uploadThroughputKbps=0"]
        command += [f"--chrome-flags={_BROWSER}"]
        environ = dict(os.environ, CHROME_PATH=browser)
        try:
            done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise CourseError(f"lighthouse took over {TIMEOUT} s for {address}") from None
        if done.returncode or not made.exists():
            kind = OutOfPatience if "exceeded the allotted time" in done.stderr else CourseError
            raise kind(f"lighthouse failed on {address}: {(done.stderr.splitlines() or [''])[-1]}")
        write_atomic(kept, made.read_bytes())
        made.unlink()
    return View.of(json.loads(kept.read_text("utf-8")))


def digest(folder: Path) -> str:
    """A hash of all files in a folder: reports of other pages are of no use."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(path.relative_to(folder).as_posix().encode())
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]
