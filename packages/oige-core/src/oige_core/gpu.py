"""Finds NVIDIA GPUs, and why PyTorch cannot use them, without importing PyTorch."""

import ctypes
import functools
import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
import threading
from pathlib import Path

__all__ = ["create_context", "cuda_device_count", "cuda_device_memory", "gpu_problem"]

#: Where Linux shows GPUs: nodes that programs open, and a folder of the kernel's driver for each GPU.
SIGNS = ((Path("/dev"), "nvidia[0-9]*"), (Path("/proc/driver/nvidia/gpus"), "*"))
#: Builds of PyTorch by the oldest major version of CUDA in the driver that they run on.
BUILDS = {13: "cu130", 12: "cu126"}
HIDE = "CUDA_VISIBLE_DEVICES"
NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE


@functools.cache
def _library() -> ctypes.CDLL | None:
    """Return CUDA's driver library, or None if it is missing."""
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None


@functools.cache
def _initialise() -> int:
    """Initialise the driver; return its error, 0 if there is none."""
    library = _library()
    return NO_DEVICE if library is None else library.cuInit(0)


def _driver() -> ctypes.CDLL | None:
    """Return CUDA's driver library, initialised, or None if it is missing or finds no device."""
    return _library() if _initialise() == 0 else None


def _driver_device_count() -> int:
    driver = _driver()
    count = ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


@functools.cache
def cuda_device_count() -> int:
    """Return the number of CUDA devices that PyTorch may use in this process (``CUDA_VISIBLE_DEVICES`` is respected).

    It is 0 if PyTorch is built without CUDA, or for a newer CUDA than the driver supports.
    """
    return 0 if _mismatch() else _driver_device_count()


def cuda_device_memory(index: int) -> int | None:
    """Return the memory of CUDA device ``index`` in bytes, or None if the driver does not report it."""
    driver = _driver()
    device, total = ctypes.c_int(0), ctypes.c_size_t(0)
    if driver is None or driver.cuDeviceGet(ctypes.byref(device), index) != 0:
        return None
    return total.value if driver.cuDeviceTotalMem_v2(ctypes.byref(total), device) == 0 else None


def create_context(device: str) -> threading.Thread | None:
    """Begin to create the context of a CUDA device, so that it is there when PyTorch, which uses the same, is imported.

    Args:
        device: ``cuda:<index>``; nothing is done for others.

    Returns:
        The thread that does it, for tests.
    """
    driver = _driver()
    if driver is None or not device.startswith("cuda:"):
        return None

    def create() -> None:
        handle, context = ctypes.c_int(0), ctypes.c_void_p()
        if driver.cuDeviceGet(ctypes.byref(handle), int(device.partition(":")[2])) == 0:
            driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), handle)

    thread = threading.Thread(target=create, daemon=True)
    thread.start()
    return thread


@functools.cache
def gpu_problem() -> str | None:
    """Return why the GPU of this machine cannot be used, and what to install or do.

    None if it can be used, if there is none, or if ``CUDA_VISIBLE_DEVICES`` hides it.
    """
    if _driver_device_count() > 0:
        mismatch = _mismatch()
        return mismatch and f"the GPU of this machine ({_gpu_name()}) cannot be used: {mismatch}"
    hidden = os.environ.get(HIDE)
    if hidden in ("", "-1"):
        return None
    sign = _sign()
    if sign is None:
        return None
    if _library() is None:
        cause = "the library of its driver is missing"
    elif hidden is not None:
        return f"the GPU of this machine ({sign}) cannot be used: {HIDE}={hidden} hides it; unset it"
    else:
        cause = f"its driver reports {_error_name()}"
    version, cuda = _torch()
    needed = "" if cuda is None else f" for CUDA {cuda.partition('.')[0]}, which PyTorch {version} needs"
    return (
        f"the GPU of this machine ({sign}) cannot be used: {cause}; install NVIDIA's driver{needed}, or start the "
        "container with access to the GPU, as docker run --gpus all does"
    )


def _mismatch() -> str | None:
    """Return why the installed PyTorch does not work with a driver that has devices, and what to install."""
    if _driver_device_count() == 0:
        return None
    version, cuda = _torch()
    major, minor = _driver_version()
    build = BUILDS.get(min(major, max(BUILDS)))
    command = build and f"pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/{build}"
    if cuda is None:
        reason = f"PyTorch {version} is built without CUDA, and the driver supports CUDA {major}.{minor}; "
        return reason + (command or "update the driver")
    if int(cuda.partition(".")[0]) > major:
        reason = f"PyTorch {version} is built for CUDA {cuda}, and the driver supports CUDA {major}.{minor}; "
        return reason + "update the driver" + (f", or {command}" if command else "")
    return None


@functools.cache
def _torch() -> tuple[str, str | None]:
    """Return the version of PyTorch, such as ``2.13.0+cu130``, and that of its CUDA; None if it is built without."""
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    facts = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    return facts["__version__"], facts["cuda"]


def _driver_version() -> tuple[int, int]:
    """Return the newest version of CUDA that the driver supports."""
    driver = _driver()
    version = ctypes.c_int(0)
    assert driver is not None
    driver.cuDriverGetVersion(ctypes.byref(version))
    return version.value // 1000, version.value % 1000 // 10


def _gpu_name() -> str:
    driver = _driver()
    name = ctypes.create_string_buffer(100)
    assert driver is not None
    driver.cuDeviceGetName(name, len(name), 0)
    return name.value.decode()


def _error_name() -> str:
    library = _library()
    name = ctypes.c_char_p()
    assert library is not None
    library.cuGetErrorName(_initialise(), ctypes.byref(name))
    return (name.value or b"no device").decode()


def _sign() -> str | None:
    """Return what shows that this machine has a GPU: a device node, or the name that ``nvidia-smi`` prints."""
    for folder, pattern in SIGNS:
        if found := sorted(folder.glob(pattern)):
            return str(found[0])
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    names = [line.partition(": ")[2].partition(" (")[0] for line in listed.splitlines() if line.startswith("GPU ")]
    return names[0] if names else None
