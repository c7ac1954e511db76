"""Every model of the zoo: builds, imports, has its size, and stays in range."""

import re

import numpy as np
import pytest
import torch

from polystage import zoo
from polystage.errors import UserError
from polystage.importers import Imported, import_model
from polystage.importers.imported import tensor_to_numpy
from polystage.interp import jit

# name: (parameters in millions, gathers that depend on inputs)
MODELS = {
    "resnet18": (11.7, 0),
    "resnet50": (25.6, 0),
    "resnet101": (44.5, 0),
    "mobilenet_v2": (3.5, 0),
    "densenet121": (8.0, 0),
    "unet": (7.8, 0),
    "vit_b16": (86.6, 0),
    "bert_base": (109.5, 1),
    "gpt2": (124.4, 1),
    "wavenet": (1.3, 0),
    "lstm": (3.8, 0),
    "dlrm": (17.1, 26),
}
PARTS = {"basic_block": 0.074, "bert_layer": 7.088, "speech_encoder_layer": 7.087}  # parameters in millions
QUICK = ("resnet18", "wavenet", "dlrm")


def gathers(imported: Imported) -> int:
    """Elements read at places that are loaded from memory."""
    return len(re.findall(r"tensor\.extract ", str(imported.module)))


def test_names() -> None:
    assert zoo.names() == tuple(MODELS)
    assert zoo.names(small=True) == ("tiny_mlp", "tiny_cnn", "tiny_attention")
    assert zoo.parts() == tuple(PARTS)


def test_unknown_name() -> None:
    with pytest.raises(UserError, match="unknown model 'vgg'; the zoo has resnet18, "):
        zoo.load("vgg")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("vgg:side=64", "unknown model 'vgg'; the zoo has resnet18, "),
        ("unet:512", "model 'unet' has no size '512'; it has side=128"),
        ("bert_base:layers=2,width=64", "model 'bert_base' has no size 'width'; it has layers=12, tokens=128"),
        ("lstm:length=4", "model 'lstm' has no size 'length'; it has none"),
        ("unet:side=0", "side of model 'unet' takes a number from 1, got '0', as in unet:side=64"),
        ("unet:side", "side of model 'unet' takes a number from 1, got '', as in unet:side=64"),
        ("unet:side=", "side of model 'unet' takes a number from 1, got '', as in unet:side=64"),
        ("unet:", "model 'unet' has no size ''; it has side=128"),
        ("unet:side=72", "side=72 does not halve 4 times; choose a multiple of 16"),
    ],
)
def test_refused_sizes(name: str, error: str) -> None:
    with pytest.raises(UserError) as refusal:
        zoo.load(name, device="meta")
    assert refusal.value.message.startswith(error)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet50:side=896", (1, 3, 896, 896)),
        ("unet:side=512", (1, 3, 512, 512)),
        ("basic_block:channels=32,side=14", (1, 32, 14, 14)),
        ("bert_layer:tokens=4096", (1, 4096, 768)),
        ("speech_encoder_layer:frames=100", (1, 100, 768)),
        ("bert_base:layers=1,tokens=600", (1, 600)),
    ],
)
def test_sizes(name: str, shape: tuple[int, ...]) -> None:
    _, (x,) = zoo.load(name, device="meta")
    assert x.shape == shape


@pytest.mark.parametrize("name", PARTS)
def test_parts_keep_their_shape(name: str) -> None:
    model, (x,) = zoo.load(name)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(PARTS[name], abs=1e-3)
    with torch.no_grad():
        out = model(x)
    assert out.shape == x.shape
    assert 0.1 < out.abs().mean() < 10.0


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in MODELS]
)
def test_imports_on_meta(name: str) -> None:
    model, inputs = zoo.load(name, device="meta")
    assert all(parameter.is_meta for parameter in model.parameters())
    millions, indirect = MODELS[name]
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)
    imported = import_model(model, inputs)
    assert gathers(imported) == indirect
    assert "f64" not in str(imported.module)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["f32", "bf16"])
@pytest.mark.parametrize("name", zoo.names(small=True))
def test_small_models_match_eager(name: str, dtype: torch.dtype) -> None:
    model, inputs = zoo.load(name, dtype=dtype)
    imported = import_model(model, inputs)
    weights = [a.numpy() for a in imported.arguments if a.kind != "input"]
    (result,) = jit.run_linalg(imported.module, [*weights, *(tensor_to_numpy(x) for x in inputs)])
    expected = tensor_to_numpy(model(*inputs)).astype(np.float32)
    tolerance = 1e-5 if dtype == torch.float32 else 2**-6
    np.testing.assert_allclose(result.astype(np.float32), expected, tolerance, tolerance)


def test_meta_model_imports_as_the_real_one() -> None:
    real = import_model(*zoo.load("tiny_cnn"))
    assert str(import_model(*zoo.load("tiny_cnn", device="meta")).module) == str(real.module)


def test_seed_fixes_weights_and_inputs() -> None:
    before = torch.get_rng_state()
    first, inputs = zoo.load("tiny_cnn", seed=3)
    second, again = zoo.load("tiny_cnn", seed=3)
    other, _ = zoo.load("tiny_cnn", seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(inputs[0], again[0])
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_batch_statistics_are_not_trivial() -> None:
    model, _ = zoo.load("resnet18")
    mean, variance = (torch.cat([b for n, b in model.named_buffers() if n.endswith(s)]) for s in ("_mean", "_var"))
    assert 0.05 < mean.mean() < 0.15
    assert variance.min() >= 0.5 and variance.max() <= 1.5 and variance.std() > 0.2


@pytest.mark.parametrize(
    "name", ["resnet18", "wavenet", *(pytest.param(n, marks=pytest.mark.long) for n in MODELS if n not in QUICK)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["f32", "bf16"])
def test_activations_stay_in_range(name: str, dtype: torch.dtype) -> None:
    model, inputs = zoo.load(name, dtype=dtype)
    seen: list[float] = []
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(
                lambda _, __, out: seen.append(out.abs().mean().item()) if hasattr(out, "abs") else None
            )
    with torch.no_grad():
        model(*inputs)
    assert min(seen) > 1e-3 and max(seen) < 300.0
