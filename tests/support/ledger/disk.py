"""A small disk of one's own, to be filled up: a tmpfs, where one may be mounted."""

import subprocess
from pathlib import Path

MIB = 1024 * 1024
SIZE_BYTES = 256 * MIB


class SmallDisk:
    """Mounted on a directory from entering the `with` block to leaving it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ballast = directory / ".ballast"
        self.mounted = False
        """Else it is a plain directory, and `fill` does nothing."""

    def mount(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        options = f"size={SIZE_BYTES}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self._directory)]
        self.mounted = subprocess.run(command, capture_output=True).returncode == 0

    def unmount(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", self._directory], check=True)

    def fill(self) -> None:
        """Not a byte is left."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (MIB, 4096):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def ease(self) -> None:
        self._ballast.unlink(missing_ok=True)
