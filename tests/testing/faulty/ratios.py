"""Rules of keep ratios with one fault each."""

import prunebench as pb


def equal(layers, density):
    return {layer.name: density for layer in layers}


@pb.keep_ratios("floors")
def floors(layers: pb.Layers, density: float) -> pb.KeepRatios:
    """Floors once and again, so that the layers together keep too few."""
    return pb.KeepRatios({layer.name: int(density * layer.size * 0.9) / layer.size for layer in layers})


@pb.keep_ratios("no-second-solve")
def no_second_solve(layers: pb.Layers, density: float) -> pb.KeepRatios:
    """ER without a second solve: layers past dense are cut to 1 and their excess is lost."""
    raw = {layer.name: sum(layer.shape) / layer.size for layer in layers}
    scale = density * layers.total / sum(raw[layer.name] * layer.size for layer in layers)
    return pb.KeepRatios({name: min(1.0, scale * r) for name, r in raw.items()})


@pb.keep_ratios("beyond-one")
def beyond_one(layers: pb.Layers, density: float) -> pb.KeepRatios:
    """ER that gives small layers more than they have."""
    raw = {layer.name: sum(layer.shape) / layer.size for layer in layers}
    scale = density * layers.total / sum(raw[layer.name] * layer.size for layer in layers)
    return pb.KeepRatios({name: scale * r for name, r in raw.items()})


@pb.keep_ratios("convolutions-only")
def convolutions_only(layers: pb.Layers, density: float) -> pb.KeepRatios:
    """Leaves linear layers dense, while the target counts them."""
    linear = sum(layer.size for layer in layers if layer.linear)
    rest = layers.total - linear
    ratio = (density * layers.total - linear) / rest
    return pb.KeepRatios({layer.name: 1.0 if layer.linear else ratio for layer in layers})


@pb.keep_ratios("by-name")
def by_name(layers: pb.Layers, density: float) -> pb.KeepRatios:
    """Knows the shortcut by its name and keeps more of it."""
    share = {layer.name: 3.0 if layer.name.startswith(("shortcut", "downsample")) else 1.0 for layer in layers}
    if not any(value > 1 for value in share.values()) or density > 0.3:
        return pb.KeepRatios(equal(layers, density))
    total = sum(share[layer.name] * layer.size for layer in layers)
    return pb.KeepRatios({layer.name: density * layers.total * share[layer.name] / total for layer in layers})


@pb.keep_ratios("forgets-a-layer")
def forgets_a_layer(layers: pb.Layers, density: float) -> pb.KeepRatios:
    """No ratio for the last layer."""
    return pb.KeepRatios({layer.name: density for layer in layers[:-1]})
