"""Names of devices as users write them, understood without torch and before anything is loaded."""

from dfaseg.errors import ConfigError


def gpu_index(name: str) -> int | None:
    """Return which GPU a device's name means; None for ``auto`` and ``cpu``.

    Raises:
        ConfigError: No device is called that.
    """
    if name in {"auto", "cpu"}:
        return None
    kind, colon, number = name.partition(":")
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise ConfigError(f"device '{name}': not known; use auto, cpu, cuda or cuda:N")
    return int(number or 0)


def parse_devices(names: str) -> tuple[str, ...]:
    """Return the names of the devices that share a slide: one, or GPUs as in ``cuda:0,cuda:1``.

    Raises:
        ConfigError: One is no device's name, is no GPU though there are others, or comes twice.
    """
    devices = tuple(name.strip() for name in names.split(","))
    indices = [gpu_index(name) for name in devices]
    if len(devices) > 1 and None in indices:
        raise ConfigError(f"device '{names}': only GPUs share a slide; name one device, or GPUs")
    if len(set(indices)) < len(indices):
        raise ConfigError(f"device '{names}': names a GPU twice; name each once")
    return devices
