"""timm without torch's compiler: left out of a prediction, and there when it is asked for."""

import subprocess
import sys

import pytest

LOAD = """
from dfaseg.model.network import load_network
from dfaseg.model.resolve import resolve_model
load_network(resolve_model(None))
"""


@pytest.mark.parametrize(
    "then",
    [
        "assert 'torch._dynamo' not in sys.modules",
        "asks = sys.modules['torchvision.ops.roi_align'].is_compile_supported; assert asks('cpu')",
        "from torch._dynamo.utils import counters; assert counters is not None",
        "assert torch.compiler.disable(lambda: 1) is not None",
        "assert torch.compile(lambda x: x + 1, backend='eager')(torch.ones(1)) == 2",
    ],
    ids=["left out", "asked", "imported", "disabling", "compiling"],
)
def test_the_compiler_loads_only_when_it_is_used(then: str) -> None:
    """Loading the default network does not load it, and it works as ever afterwards."""
    script = f"import sys, torch\n{LOAD}\n{then}\n"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_more_of_the_compiler_is_loaded_after_all() -> None:
    """A torchvision that asks for more than we know of gets the real thing."""
    script = """
import sys
import dfaseg.model.light_timm as light
for name in [name for name in sys.modules if name.startswith("torchvision")]:
    del sys.modules[name]
with light.compiler_left_out():
    from torch._dynamo.utils import counters
assert counters is sys.modules["torch._dynamo.utils"].counters
"""

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "then",
    [
        "assert 'huggingface_hub' not in sys.modules",
        "from timm.models._hub import has_hf_hub; assert has_hf_hub(); assert has_hf_hub() is True",
        "from timm.models._hub import load_state_dict_from_hf as fetch\n"
        "import timm, huggingface_hub.utils as hub\n"
        "try: fetch('nobody/nothing at all')\n"
        "except hub.HFValidationError: pass",
    ],
    ids=["left out", "asked", "used"],
)
def test_the_hub_loads_only_when_timm_wants_to_fetch(then: str) -> None:
    """Whoever uses timm beside us finds it whole."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{LOAD}\n{then}\n"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_the_hub_that_is_loaded_stays() -> None:
    """Whoever has loaded it before keeps it, and timm knows it at once."""
    script = f"import sys, huggingface_hub\n{LOAD}\n" + (
        "assert sys.modules['huggingface_hub'] is huggingface_hub\n"
        "assert sys.modules['timm.models._hub']._has_hf_hub is True\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
