"""Whether DATA_DIR can be written, has room, and how much waits in its spool."""

import shutil
from pathlib import Path

from common.settings import SettingsError
from gateway.checks.check import Check
from gateway.supervision.listening import could_claim_data_dir

_FILLING, _FULL = 0.85, 0.95


def check_disk(directory: Path, spool: Path, spool_max_bytes: int) -> list[Check]:
    try:
        could_claim_data_dir(directory)
    except SettingsError as refusal:
        return [Check("disk", "fail", f"DATA_DIR is {directory.absolute()}", str(refusal))]
    if not directory.exists():
        detail = f"DATA_DIR ({directory.absolute()}) is not there yet"
        return [Check("disk", "warn", detail, "Nothing: gateway serve makes it.")]
    free = shutil.disk_usage(directory).free
    waiting = sum(path.stat().st_size for path in spool.rglob("*") if path.is_file())
    return [_room(directory, free, spool_max_bytes - waiting), _backlog(waiting, spool_max_bytes)]


def _room(directory: Path, free: int, needed: int) -> Check:
    detail = f"{_size(free)} free for {directory.absolute()}"
    if free >= needed:
        return Check("disk", "ok", detail)
    remedy = f"Free some: the spool may come to need {_size(needed)} (SPOOL_MAX_BYTES)."
    return Check("disk", "warn" if free > needed / 10 else "fail", detail, remedy)


def _backlog(waiting: int, most: int) -> Check:
    detail = f"{_size(waiting)} of at most {_size(most)} wait to be stored"
    if waiting < _FILLING * most:
        return Check("spool", "ok", detail)
    remedy = "See that the broker and a consumer run; at 95 % new calls are refused."
    return Check("spool", "fail" if waiting >= _FULL * most else "warn", detail, remedy)


def _size(size_bytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size_bytes) < 1024:
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.0f} TiB"
