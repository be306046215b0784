"""Vision transformer (arXiv 2010.11929): pre-norm encoder layers, one block each.

Ti, S and B: depth 12, width 192, 384, 768 and heads 3, 6, 12 at patches of 16 pixels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import choice, flag, integer
from svp_core.config.run import ModelOptions


class Options(ModelOptions):
    """Sizes."""

    depth: int = integer(4, "encoder layers, one block each", at_least=1)
    width: int = integer(64, "features a token; a multiple of heads", at_least=1)
    heads: int = integer(4, "of every self-attention", at_least=1)
    patch: int = integer(2, "side of a square patch in pixels; divides the image", at_least=1)
    class_token: bool = flag(False, "a learned token before those of the patches")
    pool: str = choice(
        "mean", "cls", meaning="phi, the average over all tokens, or the class token"
    )

    def refuse(self, run):
        _, height, width = run.image_shape
        if height % self.patch or width % self.patch:
            yield f"patch: {self.patch} does not divide {height}x{width} images"
        if self.width % self.heads:
            yield f"width: {self.width} is no multiple of heads"
        if self.pool == "cls" and not self.class_token:
            yield "pool: cls reads a class token; set class_token"


def blocks(image_shape: tuple[int, int, int], options: Options) -> list[nn.Module]:
    """Return `depth` encoder layers; the first embeds the patches, the last ends with a norm."""
    width = options.width
    layers = [Encoder(width, options.heads) for _ in range(options.depth)]
    embedding = Embedding(image_shape, width, options.patch, options.class_token)
    layers[0] = nn.Sequential(embedding, layers[0])
    layers[-1] = nn.Sequential(layers[-1], nn.LayerNorm(width))
    return layers


class Embedding(nn.Module):
    """(B, C, H, W) -> (B, T, width): a class token or none, a token a patch, learned positions."""

    def __init__(
        self, image_shape: tuple[int, int, int], width: int, patch: int, class_token: bool
    ):
        super().__init__()
        channels, height, image_width = image_shape
        tokens = (height // patch) * (image_width // patch) + class_token
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(torch.empty(1, tokens, width))
        self.class_token = nn.Parameter(torch.empty(1, 1, width)) if class_token else None
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw what is no layer's, as torch's own layers do theirs."""
        self.position.copy_(0.02 * torch.randn(self.position.shape))
        if self.class_token is not None:
            self.class_token.zero_()

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        if self.class_token is not None:
            tokens = torch.cat([self.class_token.expand(len(tokens), 1, -1), tokens], dim=1)
        return tokens + self.position


class Encoder(nn.Module):
    """Self-attention and a four times wider GELU layer, each pre-norm and residual."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_dense = nn.LayerNorm(width)
        self.dense = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attend(self.norm_attention(tokens))
        return tokens + self.dense(self.norm_dense(tokens))

    def attend(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        qkv = self.qkv(tokens).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, width / heads)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).reshape(batch, count, width))
