"""Describe the machine, as far as it influences which way of executing a network is fastest."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from training.execution.device import usable_cores

CPU_INFO = Path("/proc/cpuinfo")
MODEL_FIELDS = (  # fields of it that name a processor: of x86, and of ARM
    "vendor_id", "cpu family", "model", "model name", "stepping",
    "CPU implementer", "CPU architecture", "CPU variant", "CPU part",
)  # fmt: skip
# prefixes of the processor flags for vector and matrix units
UNIT_PREFIXES = ("avx", "amx", "fma", "asimd", "sve", "bf16", "i8mm")
LIBRARY_SETTINGS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE")


def describe_machine() -> dict:
    """Return processor, cores, threads and versions, as JSON values."""
    return {
        "processor": describe_processor(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "settings": {name: os.environ[name] for name in LIBRARY_SETTINGS if name in os.environ},
        "torch": str(torch.__version__),
        "timm": version("timm"),
    }


def describe_processor() -> dict:
    """Return the model of the processor and its vector units; outside of Linux, only what Python knows."""
    if not CPU_INFO.exists():
        return {"model": platform.processor() or platform.machine(), "system": platform.system()}
    first = CPU_INFO.read_text(encoding="utf8", errors="replace").partition("\n\n")[0]
    fields = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    flags = fields.get("flags", fields.get("Features", "")).split()
    return {name: fields[name] for name in MODEL_FIELDS if name in fields} | {
        "machine": platform.machine(),
        "units": sorted(flag for flag in flags if flag.startswith(UNIT_PREFIXES)),
    }
