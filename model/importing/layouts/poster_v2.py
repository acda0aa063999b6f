"""POSTER++, also called POSTER V2 (Mao et al., 2023): at three scales the cells of a landmark network attend to those of IR-50, and 49
tokens of each scale meet in a small transformer that reads a class token. No exact map exists."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.importing.integrated import IntegratedHead
from model.importing.layouts.base import PublishedNetwork, integrated_head
from model.importing.layouts.face_recognition import ir50, mobile_face_net
from model.importing.layouts.poster import Gate, attended, perceptron
from model.networks import Grid

SIDE, CELLS, WIDTH, HEADS, DEPTH = 112, 7, 768, 8, 2
SCALES = ((64, 28, 2), (128, 14, 4), (256, 7, 8))  # of each: channels, cells a side, heads
EPSILON = 1e-6  # of the transformer's LayerNorms; those of the windows keep PyTorch's


class WindowAttention(nn.Module):
    """Attention of the landmarks' cells, as queries, to all cells of the picture, with a bias for each offset: ``(N, H, W, D)``."""

    offsets: Tensor

    def __init__(self, width: int, cells: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * cells - 1) ** 2, heads))
        self.qkv, self.proj = nn.Linear(width, 2 * width), nn.Linear(width, width)  # keys and values alone, whatever its name says
        places = torch.cartesian_prod(torch.arange(cells), torch.arange(cells))
        down, across = (places[:, None] - places + cells - 1).unbind(2)
        self.register_buffer("offsets", down * (2 * cells - 1) + across, persistent=False)

    def forward(self, asked: Tensor, queries: Tensor) -> Tensor:
        keys, values = self.qkv(asked.flatten(1, 2)).chunk(2, -1)
        bias = self.relative_position_bias_table[self.offsets].permute(2, 0, 1)
        projected: Tensor = self.proj(attended(queries.flatten(1, 2), keys, values, self.heads, bias))
        return projected.reshape(asked.shape)


class ScaledResidual(nn.Module):
    """What attention found and a perceptron, each added times a factor for every channel: ``(N, H, W, D)`` in and out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma1, self.gamma2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))
        self.mlp, self.norm = perceptron(width, 4 * width), nn.LayerNorm(width)

    def forward(self, x: Tensor, found: Tensor) -> Tensor:
        x = x + self.gamma1 * found
        y: Tensor = x + self.gamma2 * self.mlp(self.norm(x))
        return y


class SelfAttention(nn.Module):
    """Attention of tokens ``(N, T, D)`` to each other."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        queries, keys, values = self.qkv(x).chunk(3, -1)
        projected: Tensor = self.proj(attended(queries, keys, values, HEADS))
        return projected


class Block(nn.Module):
    """A transformer's block that normalises first."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, EPSILON), nn.LayerNorm(WIDTH, EPSILON)
        self.attn, self.mlp = SelfAttention(), perceptron(WIDTH, 4 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class TokenTransformer(nn.Module):
    """Tokens of the three scales ``(N, 147, 768)`` -> what the class token becomes, ``(N, 768)``."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, len(SCALES) * CELLS * CELLS + 1, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH, EPSILON)
        self.se_block = Gate(WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.cat((self.cls_token.expand(len(tokens), -1, -1), tokens), 1) + self.pos_embed
        answer: Tensor = self.se_block(self.norm(self.blocks(x)[:, 0]))
        return answer


class PosterV2(PublishedNetwork):
    """The features are the 7x7 tokens of the three scales, one above the other; a token is a cell of the picture. Both networks see 112
    pixels a side, of 224 every second."""

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        self.face_landback, self.ir_back = mobile_face_net(), ir50()
        self.last_face_conv = nn.Conv2d(512, 256, 3, padding=1)
        for number, (width, cells, heads) in enumerate(SCALES, 1):
            self.add_module(f"conv{number}", nn.Conv2d(width, width, 3, 2, padding=1))
            self.add_module(f"window{number}", nn.ModuleDict({"norm": nn.LayerNorm(width)}))
            self.add_module(f"attn{number}", WindowAttention(width, cells, heads))
            self.add_module(f"ffn{number}", ScaledResidual(width))
        self.embed_q = nn.Sequential(nn.Conv2d(64, WIDTH, 3, 2, padding=1), nn.Conv2d(WIDTH, WIDTH, 3, 2, padding=1))
        self.embed_k = nn.Sequential(nn.Conv2d(128, WIDTH, 3, 2, padding=1))
        self.embed_v = nn.Sequential(nn.Conv2d(256, WIDTH, 1))
        self.transformer = TokenTransformer()
        self.linear = nn.Linear(WIDTH, classes)

    def features(self, images: Tensor) -> Tensor:
        small = F.interpolate(images, size=SIDE)
        marks, faces = self._landmark_maps(small), self._face_maps(small)
        embeddings = (self.embed_q, self.embed_k, self.embed_v)
        scales = zip(range(1, 4), faces, marks, embeddings, strict=True)
        return torch.cat([embed(self._fused(number, face, mark)) for number, face, mark, embed in scales], 1)

    def _landmark_maps(self, small: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first = self.face_landback[:4](small)
        second = self.face_landback[4:6](first)
        return first, second, self.last_face_conv(self.face_landback[6:](second))

    def _face_maps(self, small: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stem, blocks = self.ir_back
        assert isinstance(blocks, nn.Sequential)
        first = blocks[:3](stem(small))
        second = blocks[3:7](first)
        return first, second, blocks[7:](second)

    def _fused(self, number: int, face: Tensor, marks: Tensor) -> Tensor:
        """Maps ``(N, D, H, W)`` of one scale; what attention adds to is the face's map as normalised."""
        conv, window, attention, residual = (getattr(self, f"{name}{number}") for name in ("conv", "window", "attn", "ffn"))
        x = window["norm"](conv(face).permute(0, 2, 3, 1))
        fused: Tensor = residual(x, attention(x, marks.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return fused

    def answer(self, features: Tensor) -> Tensor:
        tokens = torch.cat([scale.flatten(2).transpose(1, 2) for scale in features.chunk(len(SCALES), 1)], 1)
        logits: Tensor = self.linear(self.transformer(tokens))
        return logits

    def grid(self, input_size: int) -> Grid:
        """Seven cells at any size: cell i at pixel ``i S / 7``, where S is no multiple of 7 to within three pixels."""
        return Grid((input_size % CELLS + 1) // 2, input_size // CELLS, input_size)

    def head(self, order: Tensor, input_size: int) -> IntegratedHead:
        return integrated_head(self, order, input_size, from_mean=True)

    @classmethod
    def dropped(cls, name: str) -> bool:
        """What the backbones were trained for, layers of the transformer that are never called, and offsets that follow from the sizes."""
        idle = ("ir_back.output_layer.", "face_landback.output_layer.", "VIT.patch_embed.", "VIT.eca_block.", "VIT.CON1.", "VIT.IRLinear")
        unread = name.startswith(idle) or (".conv." in name and name.startswith("VIT.blocks."))
        return unread or name.endswith(".relative_position_index") or super().dropped(name)
