# pyright: basic
# transformers builds its classes at run time; nothing of it is typed.
"""BERT base, GPT-2 and ViT-B/16 from transformers configurations, with eager attention and random weights."""

from typing import Any

from torch import Tensor, nn

from polystage.errors import UserError
from polystage.zoo.inputs import MakeInputs, image, tokens


class Outputs(nn.Module):
    """A transformers model that returns plain tensors, by the names of its output fields."""

    def __init__(self, model: nn.Module, fields: tuple[str, ...], **options: Any) -> None:
        super().__init__()
        self.model = model
        self.fields = fields
        self.options = options

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The model's first input -> the chosen outputs."""
        out = self.model(x, **self.options)
        return tuple(out[name] for name in self.fields)


def _transformers() -> Any:
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise UserError("this model needs the package 'transformers': pip install 'polystage[zoo]'") from error
    return transformers


def bert_base() -> tuple[nn.Module, MakeInputs]:
    """109.5 M parameters, 11.2 GMAC; 12 layers, hidden 768, 128 tokens; last hidden state and pooled output."""
    lib = _transformers()
    config = lib.BertConfig(attn_implementation="eager")
    return Outputs(lib.BertModel(config), ("last_hidden_state", "pooler_output")), tokens(config.vocab_size, 128)


def gpt2() -> tuple[nn.Module, MakeInputs]:
    """124.4 M parameters, 16.1 GMAC; 12 layers, hidden 768, 128 tokens, tied output layer, no cache; logits."""
    lib = _transformers()
    config = lib.GPT2Config(attn_implementation="eager", use_cache=False)
    return Outputs(lib.GPT2LMHeadModel(config), ("logits",), use_cache=False), tokens(config.vocab_size, 128)


def vit_b16() -> tuple[nn.Module, MakeInputs]:
    """86.6 M parameters, 17.6 GMAC; 12 layers, hidden 768, patches of 16 x 16 of a 224 x 224 image; logits."""
    lib = _transformers()
    config = lib.ViTConfig(attn_implementation="eager", num_labels=1000)
    return Outputs(lib.ViTForImageClassification(config), ("logits",)), image(224)
