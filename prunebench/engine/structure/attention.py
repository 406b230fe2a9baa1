"""Reachability through attention: an output position within a head depends on its query and on every key and value."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from torch.nn import functional as F

from prunebench.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor


def arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a call of `F.multi_head_attention_forward` by name, defaults included."""
    bound = inspect.signature(F.multi_head_attention_forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


def scaled_dot_product(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    _dropout: float = 0.0,
    is_causal: bool = False,
    **rest: Any,
) -> Tensor:
    """What reaches `[…, l, d_v]` from queries `[…, l, d]`, keys `[…, s, d]` and values `[…, s, d_v]`.

    The weights of a position are a softmax over all keys, so each of its d_v outputs depends on all of its own query,
    on all keys, and on its own entry of all values.

    Raises:
        UnsupportedOperatorError: a mask hides some positions, or heads are shared.
    """
    if attn_mask is not None or is_causal or rest.get("enable_gqa"):
        raise UnsupportedOperatorError("no reachability rule for attention with a mask or shared heads")
    return _weights(query, key) + value.sum(-2, keepdim=True)


def multi_head(
    mask_of: Callable[[Tensor], Tensor], clamped: Callable[[Any], Any], call: Mapping[str, Any]
) -> tuple[Tensor, Tensor | None]:
    """`F.multi_head_attention_forward` on reachability maps `[l, n, e]`; its projections count by their masks.

    Args:
        mask_of: the mask of a weight, as numbers.
        clamped: 1 where positive.
        call: the arguments by name.

    Raises:
        UnsupportedOperatorError: a mask hides some positions, or keys and values are given from outside.
    """
    hidden = ("key_padding_mask", "attn_mask", "static_k", "static_v")
    if any(call[name] is not None for name in hidden) or call["is_causal"]:
        raise UnsupportedOperatorError("no reachability rule for attention with a mask or outside keys and values")
    if call["use_separate_proj_weight"]:
        projections = [mask_of(call[f"{part}_proj_weight"]) for part in "qkv"]
    else:
        projections = list(mask_of(call["in_proj_weight"]).chunk(3))

    def heads(given: Tensor, projection: Tensor) -> Tensor:
        """`[l, …, e]` to `[…, heads, l, e / heads]`."""
        reached: Tensor = clamped(F.linear(given, projection))
        return reached.reshape(*reached.shape[:-1], call["num_heads"], -1).movedim(0, -2)

    given = (call["query"], call["key"], call["value"])
    q, k, v = (heads(g, p) for g, p in zip(given, projections, strict=True))
    found = clamped(scaled_dot_product(q, k, v)).movedim(-2, 0).flatten(-2)
    output: Tensor = clamped(F.linear(found, mask_of(call["out_proj_weight"])))
    if not call["need_weights"]:
        return output, None
    weights: Tensor = clamped(_weights(q, k).expand(*q.shape[:-1], k.shape[-2]))
    return output, clamped(weights.sum(-3)) if call["average_attn_weights"] else weights


def _weights(query: Tensor, key: Tensor) -> Tensor:
    """What reaches the attention weights of each query, `[…, l, 1]`: the same for all keys."""
    return query.sum(-1, keepdim=True) + key.sum((-2, -1), keepdim=True)
