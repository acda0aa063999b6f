"""POSTER (Zheng et al., ICCV workshops 2023): IR-50's map and that of a landmark network attend to each other as two times 50 tokens, at
three widths. No exact map exists."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.importing.integrated import IntegratedHead
from model.importing.layouts.base import PublishedNetwork, integrated_head
from model.importing.layouts.face_recognition import ir50, mobile_face_net
from model.networks import Grid

DEPTHS = {"large": 8, "base": 6, "small": 4}
SIDE, CELLS, WIDTH, HEADS = 112, 7, 512, 8
TOKENS = CELLS * CELLS + 1  # of each of the two, its mean the first
EPSILON = 1e-6


def attended(queries: Tensor, keys: Tensor, values: Tensor, heads: int, bias: Tensor | None = None) -> Tensor:
    """Attention of several heads, tokens ``(N, T, D)`` each, with a bias ``(heads, T, T)`` where there is one: ``(N, T, D)``."""
    count, tokens, width = queries.shape
    q, k, v = (x.reshape(count, tokens, heads, width // heads).transpose(1, 2) for x in (queries, keys, values))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).reshape(count, tokens, width)


class CrossAttention(nn.Module):
    """Attention of queries ``(N, T, D)``, as they are, to others' keys and values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kv, self.proj = nn.Linear(width, 2 * width), nn.Linear(width, width)

    def forward(self, queries: Tensor, others: Tensor) -> Tensor:
        keys, values = self.kv(others).chunk(2, -1)
        projected: Tensor = self.proj(attended(queries, keys, values, HEADS))
        return projected


class CrossBlock(nn.Module):
    """Tokens of the picture, then of the landmarks, ``(N, 2 T, D)`` in and out: each half takes its keys from itself and its queries from
    the other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(width, EPSILON) for _ in range(4))
        self.attn_img, self.attn_lm = CrossAttention(width), CrossAttention(width)
        self.mlp1, self.mlp2 = perceptron(width, 2 * width), perceptron(width, 2 * width)
        self.conv = nn.Conv1d(2 * TOKENS, 2 * TOKENS, 1)

    def forward(self, x: Tensor) -> Tensor:
        (face, marks), first, third = x.chunk(2, 1), self.norm1(x).chunk(2, 1), self.norm3(x).chunk(2, 1)
        face = face + self.attn_img(first[1], first[0])
        face = face + self.mlp1(self.norm2(face))
        marks = marks + self.attn_lm(third[0], third[1])
        marks = marks + self.mlp2(self.norm4(marks))
        mixed: Tensor = self.conv(torch.cat((face, marks), 1))
        return mixed


class PyramidBlock(nn.Module):
    """A block at each of three widths, the narrow ones added to the wider."""

    def __init__(self) -> None:
        super().__init__()
        self.block_l, self.block_m, self.block_s = CrossBlock(WIDTH), CrossBlock(WIDTH // 2), CrossBlock(WIDTH // 4)
        self.upsample_m, self.upsample_s = (nn.ConvTranspose1d(2 * TOKENS, 2 * TOKENS, 2, 2) for _ in range(2))

    def forward(self, large: Tensor, middle: Tensor, small: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        small = self.block_s(small)
        middle = self.block_m(middle) + self.upsample_s(small)
        large = self.block_l(large) + self.upsample_m(middle)
        return large, middle, small


class Pyramid(nn.Module):
    """Tokens ``(N, 49, 512)`` of the picture and of the landmarks -> ``(N, 512)``, that of the picture's mean."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, TOKENS, WIDTH))
        self.downsample_m = nn.Conv1d(2 * TOKENS, 2 * TOKENS, 2, 2)
        self.downsample_s = nn.Conv1d(2 * TOKENS, 2 * TOKENS, 4, 4)
        self.blocks = nn.ModuleList(PyramidBlock() for _ in range(depth))
        self.norm = nn.LayerNorm(WIDTH, EPSILON)

    def forward(self, face: Tensor, marks: Tensor) -> Tensor:
        face, marks = (torch.cat((tokens.mean(1, keepdim=True), tokens), 1) for tokens in (face, marks))
        large = torch.cat((face + self.pos_embed, marks), 1)
        middle, small = self.downsample_m(large), self.downsample_s(large)
        for block in self.blocks:
            large, middle, small = block(large, middle, small)
        answer: Tensor = self.norm(large[:, 0])
        return answer


class Gate(nn.Module):
    """Each number times one in 0..1 that all of them decide: ``(N, D)`` in and out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.linear2(F.relu(self.linear1(x))))


class Poster(PublishedNetwork):
    """The features are IR-50's 14x14 cells, four side by side as one, and the landmarks' 7x7. Both networks see every second pixel of 224,
    and IR-50's tokens are its map's numbers in their order in memory, so that a token is no cell."""

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        self.face_landback, self.ir_back = mobile_face_net(), ir50()
        self.ir_layer = nn.Linear(2 * WIDTH, WIDTH)
        self.pyramid_fuse = Pyramid(DEPTHS[architecture])
        self.se_block = Gate(WIDTH)
        self.linear = nn.Linear(WIDTH, classes)

    def features(self, images: Tensor) -> Tensor:
        small = F.interpolate(images, size=SIDE)
        return torch.cat((F.pixel_unshuffle(self.ir_back(small), 2), self.face_landback(small)), 1)

    def answer(self, features: Tensor) -> Tensor:
        face, marks = features[:, : 2 * WIDTH], features[:, 2 * WIDTH :]
        tokens = F.pixel_shuffle(face, 2).reshape(-1, CELLS * CELLS, 2 * WIDTH)
        fused = self.pyramid_fuse(self.ir_layer(tokens), marks.flatten(2).transpose(1, 2))
        logits: Tensor = self.linear(self.se_block(fused))
        return logits

    def grid(self, input_size: int) -> Grid:
        """Seven cells at any size: cell i at pixel ``i S / 7 + S / 56``, between that of the landmarks, which begin at the first pixel, and
        the middle of two of IR-50's; where S is no multiple of 7 to within two pixels, the middle cell the nearest."""
        step = round(input_size / CELLS)
        return Grid(max(0, round(25 * input_size / 56) - 3 * step), step, input_size)

    def head(self, order: Tensor, input_size: int) -> IntegratedHead:
        return integrated_head(self, order, input_size, from_mean=True)

    @classmethod
    def dropped(cls, name: str) -> bool:
        """What the backbones were trained for, and a token that is not read."""
        idle = name.startswith(("ir_back.output_layer.", "face_landback.output_layer.")) or name == "pyramid_fuse.cls_token"
        return idle or super().dropped(name)


def perceptron(width: int, hidden: int) -> nn.Sequential:
    """One hidden layer, as transformers have it."""
    return nn.Sequential(OrderedDict(fc1=nn.Linear(width, hidden), act=nn.GELU(), fc2=nn.Linear(hidden, width)))
