"""POSTER from its equations, on a file's tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

State = Mapping[str, Tensor]


def linear(state: State, at: str, x: Tensor) -> Tensor:
    return torch.einsum("...i,oi->...o", x, state[f"{at}.weight"]) + state[f"{at}.bias"]


def conv(state: State, at: str, x: Tensor, stride: int = 1, depthwise: bool = False) -> Tensor:
    weight = state[f"{at}.weight"]
    return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, groups=len(weight) if depthwise else 1)


def norm(state: State, at: str, x: Tensor) -> Tensor:
    """BatchNorm over (N, C, H, W)."""
    mean, variance, scale, shift = (state[f"{at}.{name}"].view(1, -1, 1, 1) for name in ("running_mean", "running_var", "weight", "bias"))
    return (x - mean) / (variance + 1e-5).sqrt() * scale + shift


def standardised(state: State, at: str, x: Tensor, eps: float = 1e-6) -> Tensor:
    """LayerNorm over the last place."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * state[f"{at}.weight"] + state[f"{at}.bias"]


def rising(slope: Tensor, x: Tensor) -> Tensor:
    return x.clamp(min=0) + slope.view(1, -1, 1, 1) * x.clamp(max=0)


def ir50_map(state: State, at: str, x: Tensor) -> Tensor:
    x = rising(state[f"{at}.input_layer.2.weight"], norm(state, f"{at}.input_layer.1", conv(state, f"{at}.input_layer.0", x)))
    for block in range(21):
        x = improved_residual(state, f"{at}.body.{block}", x, 2 if block in (0, 3, 7) else 1)
    return x


def improved_residual(state: State, at: str, x: Tensor, stride: int) -> Tensor:
    y = conv(state, f"{at}.res_layer.1", norm(state, f"{at}.res_layer.0", x))
    y = norm(state, f"{at}.res_layer.4", conv(state, f"{at}.res_layer.3", rising(state[f"{at}.res_layer.2.weight"], y), stride))
    if f"{at}.shortcut_layer.0.weight" in state:
        return y + norm(state, f"{at}.shortcut_layer.1", conv(state, f"{at}.shortcut_layer.0", x, stride))
    return y + x[:, :, ::stride, ::stride]


def landmark_maps(state: State, at: str, x: Tensor) -> list[Tensor]:
    """The map of each stage, 28, 14 and 7 cells a side; the last with more channels."""

    def layer(name: str, x: Tensor, stride: int = 1, depthwise: bool = False) -> Tensor:
        y = norm(state, f"{at}.{name}.bn", conv(state, f"{at}.{name}.conv", x, stride, depthwise))
        slope = state.get(f"{at}.{name}.prelu.weight")
        return y if slope is None else rising(slope, y)

    def inverted(name: str, x: Tensor, stride: int = 1) -> Tensor:
        return layer(f"{name}.project", layer(f"{name}.conv_dw", layer(f"{name}.conv", x), stride, depthwise=True))

    x, maps = layer("conv2_dw", layer("conv1", x, 2), depthwise=True), []
    for down, stage, blocks in (("conv_23", "conv_3", 4), ("conv_34", "conv_4", 6), ("conv_45", "conv_5", 2)):
        x = inverted(down, x, 2)
        for block in range(blocks):
            x = x + inverted(f"{stage}.model.{block}", x)
        maps.append(x)
    return [*maps[:2], layer("conv_6_sep", x)]


def attended(state: State, at: str, queries: Tensor, own: Tensor) -> Tensor:
    """One head of eight after the other."""
    keys_and_values, width, heads = linear(state, f"{at}.kv", own), queries.shape[-1], []
    for head in range(8):
        part = slice(head * width // 8, (head + 1) * width // 8)
        keys, values = keys_and_values[..., :width][..., part], keys_and_values[..., width:][..., part]
        weights = (queries[..., part] @ keys.transpose(1, 2) / (width / 8) ** 0.5).softmax(-1)
        heads.append(weights @ values)
    return linear(state, f"{at}.proj", torch.cat(heads, -1))


def perceptron(state: State, at: str, x: Tensor) -> Tensor:
    return linear(state, f"{at}.fc2", F.gelu(linear(state, f"{at}.fc1", x)))


def cross_block(state: State, at: str, x: Tensor) -> Tensor:
    half = x.shape[1] // 2
    first, third = standardised(state, f"{at}.norm1", x), standardised(state, f"{at}.norm3", x)
    face = x[:, :half] + attended(state, f"{at}.attn_img", first[:, half:], first[:, :half])
    face = face + perceptron(state, f"{at}.mlp1", standardised(state, f"{at}.norm2", face))
    marks = x[:, half:] + attended(state, f"{at}.attn_lm", third[:, :half], third[:, half:])
    marks = marks + perceptron(state, f"{at}.mlp2", standardised(state, f"{at}.norm4", marks))
    mixing = state[f"{at}.conv.weight"][:, :, 0]
    return torch.einsum("nti,st->nsi", torch.cat((face, marks), 1), mixing) + state[f"{at}.conv.bias"][:, None]


def poster_logits(state: State, x: Tensor) -> Tensor:
    x = x[:, :, ::2, ::2]
    scrambled = ir50_map(state, "ir_back", x).flatten(1).reshape(len(x), 49, 1024)
    face = linear(state, "ir_layer", scrambled)
    marks = landmark_maps(state, "face_landback", x)[2].flatten(2).transpose(1, 2)
    face, marks = (torch.cat((tokens.mean(1, keepdim=True), tokens), 1) for tokens in (face, marks))
    at = "pyramid_fuse"
    large = torch.cat((face + state[f"{at}.pos_embed"], marks), 1)

    def narrower(name: str) -> Tensor:
        return F.conv1d(large, state[f"{at}.{name}.weight"], state[f"{at}.{name}.bias"], stride=state[f"{at}.{name}.weight"].shape[-1])

    middle, small = narrower("downsample_m"), narrower("downsample_s")
    for block in range(8):
        here = f"{at}.blocks.{block}"

        def wider(name: str, y: Tensor, here: str = here) -> Tensor:
            spread = torch.einsum("nti,tsk->nsik", y, state[f"{here}.{name}.weight"]).flatten(2)
            return spread + state[f"{here}.{name}.bias"][:, None]

        small = cross_block(state, f"{here}.block_s", small)
        middle = cross_block(state, f"{here}.block_m", middle) + wider("upsample_s", small)
        large = cross_block(state, f"{here}.block_l", large) + wider("upsample_m", middle)
    fused = standardised(state, f"{at}.norm", large[:, 0])
    gate = linear(state, "se_block.linear2", linear(state, "se_block.linear1", fused).relu()).sigmoid()
    return linear(state, "head.linear", fused * gate)
