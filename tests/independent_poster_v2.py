"""POSTER++ (POSTER V2) from its equations, on a file's tensors."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.independent_poster import State, conv, improved_residual, landmark_maps, linear, norm, perceptron, rising, standardised

SCALES = ((3, 2), (4, 4), (14, 8))  # blocks of IR-50's stage, heads


def with_bias(state: State, at: str, x: Tensor, stride: int) -> Tensor:
    weight = state[f"{at}.weight"]
    return F.conv2d(x, weight, state[f"{at}.bias"], stride, weight.shape[-1] // 2)


def biases(table: Tensor, side: int) -> Tensor:
    """``(heads, side^2, side^2)``: the row of a pair is that of the query's place less the key's, counted from the most negative."""
    places = list(product(range(side), range(side)))
    rows = [[(a - c + side - 1) * (2 * side - 1) + b - d + side - 1 for c, d in places] for a, b in places]
    return table[torch.tensor(rows)].permute(2, 0, 1)


def asked(state: State, at: str, queries: Tensor, own: Tensor, heads: int) -> Tensor:
    """One head after the other; tokens ``(N, T, D)``."""
    width, found = queries.shape[-1], []
    keys_and_values = linear(state, f"{at}.qkv", own)
    bias = biases(state[f"{at}.relative_position_bias_table"], int(own.shape[1] ** 0.5))
    for head in range(heads):
        part = slice(head * width // heads, (head + 1) * width // heads)
        keys, values = keys_and_values[..., :width][..., part], keys_and_values[..., width:][..., part]
        weights = (queries[..., part] @ keys.transpose(1, 2) / (width / heads) ** 0.5 + bias[head]).softmax(-1)
        found.append(weights @ values)
    return linear(state, f"{at}.proj", torch.cat(found, -1))


def self_attended(state: State, at: str, x: Tensor) -> Tensor:
    width, found = x.shape[-1], []
    queries, keys, values = linear(state, f"{at}.qkv", x).chunk(3, -1)
    for head in range(8):
        part = slice(head * width // 8, (head + 1) * width // 8)
        weights = (queries[..., part] @ keys[..., part].transpose(1, 2) / (width / 8) ** 0.5).softmax(-1)
        found.append(weights @ values[..., part])
    return linear(state, f"{at}.proj", torch.cat(found, -1))


def tokens_of(x: Tensor) -> Tensor:
    return torch.einsum("nchw->nhwc", x).flatten(1, 2)


def fused(state: State, number: int, face: Tensor, marks: Tensor, heads: int) -> Tensor:
    """A scale's map; what attention adds to is the normalised map."""
    x = tokens_of(with_bias(state, f"conv{number}", face, 2))
    x = standardised(state, f"window{number}.norm", x, 1e-5)
    at, queries = f"ffn{number}", tokens_of(marks)
    x = x + state[f"{at}.gamma1"] * asked(state, f"attn{number}", queries, x, heads)
    x = x + state[f"{at}.gamma2"] * perceptron(state, f"{at}.mlp", standardised(state, f"{at}.norm", x, 1e-5))
    side = int(x.shape[1] ** 0.5)
    return x.transpose(1, 2).reshape(len(x), -1, side, side)


def poster_v2_logits(state: State, x: Tensor) -> Tensor:
    x = x[:, :, ::2, ::2]
    first, second, third = landmark_maps(state, "face_landback", x)
    marks = (first, second, with_bias(state, "last_face_conv", third, 1))
    x = rising(state["ir_back.input_layer.2.weight"], norm(state, "ir_back.input_layer.1", conv(state, "ir_back.input_layer.0", x)))
    scales = []
    for number, (blocks, heads) in enumerate(SCALES, 1):
        for block in range(blocks):
            x = improved_residual(state, f"ir_back.body{number}.{block}", x, 2 if block == 0 else 1)
        scales.append(fused(state, number, x, marks[number - 1], heads))
    large = with_bias(state, "embed_q.1", with_bias(state, "embed_q.0", scales[0], 2), 2)
    middle = with_bias(state, "embed_k.0", scales[1], 2)
    small = with_bias(state, "embed_v.proj", scales[2], 1)
    tokens = torch.cat([state["VIT.cls_token"].repeat(len(x), 1, 1), *map(tokens_of, (large, middle, small))], 1)
    tokens = tokens + state["VIT.pos_embed"]
    for block in range(2):
        at = f"VIT.blocks.{block}"
        tokens = tokens + self_attended(state, f"{at}.attn", standardised(state, f"{at}.norm1", tokens))
        tokens = tokens + perceptron(state, f"{at}.mlp", standardised(state, f"{at}.norm2", tokens))
    read = standardised(state, "VIT.norm", tokens[:, 0])
    gate = linear(state, "VIT.se_block.linear2", linear(state, "VIT.se_block.linear1", read).relu()).sigmoid()
    return linear(state, "VIT.head.linear", read * gate)
