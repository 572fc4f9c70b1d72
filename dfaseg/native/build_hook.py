"""Compiles the C of this folder while dfaseg is installed; Hatch calls it, dfaseg itself never.

The compiler comes as a wheel (``ziglang``), which pip fetches for the build alone: nothing has to
be on the machine before, and one compiler makes the same code everywhere.
"""

import os
import platform
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

FOLDER = Path(__file__).parent
SOURCES = sorted(FOLDER.glob("*.c"))
X86_BUILDS = {
    "libdfaseg.so": "x86_64_v2",
    "libdfaseg-avx2.so": "x86_64_v2+avx2-slow_unaligned_mem_32",
}
"""Libraries and what their processors offer; the former is what NumPy's wheels ask for, too. Those
with AVX2 read and write 32 bytes anywhere, which the compiler would do by halves."""
OTHER_BUILDS = {"libdfaseg.so": "baseline"}
FLAGS = (
    *("-O3", "-fPIC", "-shared", "-s", "-Wall", "-Wextra", "-Werror"),
    # Every processor rounds after each step, as NumPy does.
    *("-ffp-contract=off", "-fno-sanitize=undefined"),
)


class CompileHook(BuildHookInterface):  # type: ignore[misc]  # Hatch has no types for mypy
    """Makes the libraries before the wheel is put together, that of an editable install as well."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compile, and mark the wheel as one for machines like this."""
        on_x86 = platform.machine().lower() in {"x86_64", "amd64"}
        with tempfile.TemporaryDirectory() as scratch:
            for name, processor in (X86_BUILDS if on_x86 else OTHER_BUILDS).items():
                compile_library(FOLDER / name, processor, scratch)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{next(platform_tags())}"


def compile_library(library: Path, processor: str, scratch: str) -> None:
    """Compile the sources for a processor, named as the compiler names it.

    Raises:
        RuntimeError: They do not compile; the text is the compiler's.
    """
    made = Path(scratch) / library.name
    crc = zlib.crc32(b"".join(source.read_bytes() for source in SOURCES))
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, f"-mcpu={processor}"]
    command += [f"-DDFASEG_SOURCE_CRC={crc}u", "-o", str(made), *map(str, SOURCES)]
    # Its caches would otherwise stay in the user's home, which need not be there.
    caches = {f"ZIG_{which}_CACHE_DIR": scratch for which in ("GLOBAL", "LOCAL")}
    done = subprocess.run(
        command, env=os.environ | caches, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{FOLDER}: its C does not compile.\n{done.stderr}")
    # Not written over: a process may be running what lies there.
    library.unlink(missing_ok=True)
    library.write_bytes(made.read_bytes())
