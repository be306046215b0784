"""Vision transformer: pre-norm encoder layers, one block each; readings average over the tokens."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

POOL = "mean"


def blocks(
    image_shape: tuple[int, int, int], *, depth: int, width: int, heads: int, patch: int
) -> list[nn.Module]:
    """Return `depth` encoder layers; the first embeds the patches, the last ends with a norm."""
    layers = [Encoder(width, heads) for _ in range(depth)]
    layers[0] = nn.Sequential(Embedding(image_shape, width, patch), layers[0])
    layers[-1] = nn.Sequential(layers[-1], nn.LayerNorm(width))
    return layers


class Embedding(nn.Module):
    """(B, C, H, W) -> (B, T, width): one token a patch, plus a learned position."""

    def __init__(self, image_shape: tuple[int, int, int], width: int, patch: int):
        super().__init__()
        channels, height, image_width = image_shape
        tokens = (height // patch) * (image_width // patch)
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(0.02 * torch.randn(1, tokens, width))

    def forward(self, images: Tensor) -> Tensor:
        return self.patches(images).flatten(2).transpose(1, 2) + self.position


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
