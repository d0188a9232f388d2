"""Which browser to drive, and how the set-up gets one when there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from xbot_dagster.errors import BrowserError

SYSTEM_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
INSTALL_SECONDS = 180


def find_browser(configured: Path | None = None) -> Path:
    """The executable: the configured path, else Playwright's own Chromium, else one of the system.

    Raises BrowserError when the configured path is not an executable file, or when nothing is found."""
    if configured is not None:
        path = configured.expanduser()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise BrowserError(
                f"XBOT_BROWSER_PATH={configured} is not an executable file.",
                "Correct it, or unset it to search for a browser.",
            )
        return path
    found = _managed() or _system()
    if found is None:
        raise BrowserError(
            "No Chromium was found.",
            "Run: playwright install chromium (or: apt install chromium), or set XBOT_BROWSER_PATH.",
        )
    return found


def install_browser(seconds: float = INSTALL_SECONDS) -> Path:
    """Find a browser, else try to install one: Playwright's, then (as root) the system's. Raises BrowserError with what failed."""
    try:
        return find_browser()
    except BrowserError:
        pass
    failures = []
    commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        commands += [["apt-get", "install", "-y", "--no-install-recommends", "chromium"]]
    for command in commands:
        failure = _run(command, seconds)
        found = _managed() or _system()
        if found is not None:
            return found
        failures.append(f"{Path(command[0]).name} {' '.join(command[1:3])}: {failure or 'left no browser behind'}")
    raise BrowserError(
        f"No Chromium was found and none could be installed ({'; '.join(failures)}).",
        "Install Chromium or Chrome by hand, or set XBOT_BROWSER_PATH.",
    )


def _run(command: list[str], seconds: float) -> str:
    """Run an installer; what went wrong, or ''."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"took longer than {seconds:g} s"
    except OSError as error:
        return error.strerror or "cannot be started"
    if done.returncode == 0:
        return ""
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit code {done.returncode}"


def _managed() -> Path | None:
    """Playwright's own Chromium, found in its folder without starting its driver."""
    root = Path(os.path.expanduser(_managed_root()))
    builds = sorted(root.glob("chromium-[0-9]*"), key=lambda folder: int(folder.name.split("-")[1]), reverse=True)
    for build in builds:
        for place in (
            "chrome-linux64/chrome",
            "chrome-linux/chrome",
            "chrome-mac/Chromium.app/Contents/MacOS/Chromium",
        ):
            if os.access(build / place, os.X_OK):
                return build / place
    return None


def _managed_root() -> str:
    if sys.platform == "darwin":
        return "~/Library/Caches/ms-playwright"
    return "~/.cache/ms-playwright"


def _system() -> Path | None:
    for name in SYSTEM_NAMES:
        path = shutil.which(name)
        if path:
            return Path(path)
    return None


def main() -> int:
    """`python -m xbot_dagster.embedded.browser`: find or install a browser and name it; one sentence and 1 when that fails."""
    try:
        found = install_browser()
    except BrowserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Browser: {found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
