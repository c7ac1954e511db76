# pyright: basic
# transformers builds its classes at run time; nothing of it is typed.
"""BERT, GPT-2, ViT-B/16 and single encoder layers from transformers configurations: eager attention, random weights."""

from typing import Any

from torch import Tensor, nn

from polystage.errors import UserError
from polystage.zoo.inputs import MakeInputs, hidden_states, image
from polystage.zoo.inputs import tokens as token_numbers


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


class Layer(nn.Module):
    """One layer of a transformer without a mask."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """[1, length, width] -> the same shape."""
        return self.layer(x, None)


def _transformers() -> Any:
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise UserError("this model needs the package 'transformers': pip install 'polystage[zoo]'") from error
    return transformers


def bert_base(*, layers: int = 12, tokens: int = 128) -> tuple[nn.Module, MakeInputs]:
    """109.5 M parameters, 11.2 GMAC; 12 layers, hidden 768, 128 tokens; last hidden state and pooled output."""
    lib = _transformers()
    config = lib.BertConfig(
        attn_implementation="eager", num_hidden_layers=layers, max_position_embeddings=max(512, tokens)
    )
    fields = ("last_hidden_state", "pooler_output")
    return Outputs(lib.BertModel(config), fields), token_numbers(config.vocab_size, tokens)


def bert_layer(*, tokens: int = 128) -> tuple[nn.Module, MakeInputs]:
    """A layer of BERT base: 7.1 M parameters, 0.93 GMAC; hidden 768, 12 heads."""
    config = _transformers().BertConfig(attn_implementation="eager")
    from transformers.models.bert.modeling_bert import BertLayer

    return Layer(BertLayer(config)), hidden_states(tokens, config.hidden_size)


def speech_encoder_layer(*, frames: int = 1500) -> tuple[nn.Module, MakeInputs]:
    """A layer of the encoder of Whisper small (Radford et al., 2022, arXiv 2212.04356): hidden 768, 12 heads.

    7.1 M parameters, 14.1 GMAC over the 1500 frames of 30 seconds.
    """
    config = _transformers().WhisperConfig(
        attn_implementation="eager", d_model=768, encoder_attention_heads=12, encoder_ffn_dim=3072
    )
    from transformers.models.whisper.modeling_whisper import WhisperEncoderLayer

    return Layer(WhisperEncoderLayer(config)), hidden_states(frames, config.d_model)


def gpt2() -> tuple[nn.Module, MakeInputs]:
    """124.4 M parameters, 16.1 GMAC; 12 layers, hidden 768, 128 tokens, tied output layer, no cache; logits."""
    lib = _transformers()
    config = lib.GPT2Config(attn_implementation="eager", use_cache=False)
    return Outputs(lib.GPT2LMHeadModel(config), ("logits",), use_cache=False), token_numbers(config.vocab_size, 128)


def vit_b16() -> tuple[nn.Module, MakeInputs]:
    """86.6 M parameters, 17.6 GMAC; 12 layers, hidden 768, patches of 16 x 16 of a 224 x 224 image; logits."""
    lib = _transformers()
    config = lib.ViTConfig(attn_implementation="eager", num_labels=1000)
    return Outputs(lib.ViTForImageClassification(config), ("logits",)), image(224)
