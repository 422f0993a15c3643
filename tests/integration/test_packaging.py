"""What is installed is what stands here: the wheel that the image is made of."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.sources import ROOT

PACKAGES = ("common", "consumer", "gateway", "migrations")


def test_wheel_holds_every_file_and_both_programs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(tmp_path)], cwd=ROOT, check=True, timeout=300)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        held = set(wheel.namelist())
        (entry_points,) = (n for n in held if n.endswith("entry_points.txt"))
        programs = wheel.read(entry_points).decode()
    ours = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert ours - held == set()
    assert "consumer = consumer.__main__:main" in programs
    assert "gateway = gateway.__main__:main" in programs
