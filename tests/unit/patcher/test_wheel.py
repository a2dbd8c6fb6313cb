"""The patcher's wheel: built from this checkout without a network, pure Python, loaded by its path file."""

from __future__ import annotations

import subprocess
import zipfile
from email import message_from_string
from pathlib import Path

from tests.support.patcher import environments
from tests.support.patcher.interpreters import BARE, PATCHER, patched_python, wheel


def names() -> set[str]:
    """Files of the wheel, without those about the distribution."""
    return {name for name in zipfile.ZipFile(wheel()).namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_the_package_its_path_file_and_nothing_else() -> None:
    package = {
        str(path.relative_to(PATCHER)) for path in (PATCHER / "stratum_patcher").rglob("*") if path.suffix == ".py"
    }
    assert names() == package | {"stratum_patcher.pth"}


def test_the_wheel_needs_no_other_distribution_and_python_3_9() -> None:
    with zipfile.ZipFile(wheel()) as archive:
        about = next(name for name in archive.namelist() if name.endswith("METADATA"))
        told = message_from_string(archive.read(about).decode())
    assert told["Name"] == "stratum-patcher"
    assert told.get_all("Requires-Dist") is None
    assert told["Requires-Python"] == ">=3.9"


def test_an_installer_lays_the_wheel_out_as_the_tests_do(tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    command = ["pip", "install", "--quiet", "--offline", "--no-index", "--target", str(installed), str(wheel())]
    subprocess.run([environments.UV, *command], check=True, capture_output=True)
    ours = next(patched_python(BARE).parents[1].glob("lib/python3.*/site-packages"))
    for name in names():
        assert (installed / name).read_bytes() == (ours / name).read_bytes()
