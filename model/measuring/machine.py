"""What a measurement was made with: the libraries, and the machine."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

from model.measuring.results import Machine

RECORDED_PACKAGES = ("torch", "torchvision", "numpy", "lightning-fabric", "kornia", "scikit-learn", "safetensors")


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the libraries whose arithmetic a run depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in RECORDED_PACKAGES}


def this_machine() -> Machine:
    """Processor name, threads of this process, and the accelerator torch would use."""
    import torch  # here, since a service that shows results need not have it

    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return Machine(cpu=_cpu_model(), threads=torch.get_num_threads(), accelerator=accelerator)


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
