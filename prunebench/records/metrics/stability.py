"""Metrics of pruning events, of generalisation and of flatness."""

from __future__ import annotations

from prunebench.records.metrics.base import Metric


def _shaken() -> list[Metric]:
    accuracy = "mean over pruning events of the validation accuracy just before less that just after"
    loss = "mean over pruning events of the validation loss just after less that just before"
    return [
        Metric(
            "events",
            "events",
            "none",
            "structural",
            "pruning events during the training, those that took nothing left out",
        ),
        Metric("instability_abs", "points", "none", "sampled", accuracy),
        Metric("instability_abs_total", "points", "none", "sampled", accuracy.replace("mean", "sum", 1)),
        Metric("instability_rel", "", "none", "sampled", f"{accuracy}, over that before"),
        Metric("loss_instability_abs", "nats", "none", "sampled", loss),
        Metric("loss_instability_abs_total", "nats", "none", "sampled", loss.replace("mean", "sum", 1)),
        Metric("loss_instability_rel", "", "none", "sampled", f"{loss}, over that before"),
        Metric("train_error", "%", "lower", "sampled", "100 less train_accuracy"),
        Metric("test_error", "%", "lower", "sampled", "100 less test_accuracy"),
        Metric("gap", "points", "lower", "sampled", "generalisation gap: train_accuracy less test_accuracy"),
        Metric("loss_gap", "nats", "lower", "sampled", "test_loss less train_loss"),
    ]


def _flat() -> list[Metric]:
    """Of the loss on training data around a trained network, over its kept weights alone."""
    loss = "mean cross-entropy in eval mode on 1000 training samples, or as many as the rarest class allows, balanced"
    hessian = f"H, the Hessian of the {loss}, with respect to the kept prunable weights, all else constant"
    defined = {
        "hessian_trace": ("nats", "trace of H; 8 vectors of signs (Hutchinson)"),
        "hessian_trace_relative": (
            "nats",
            "Σ w²·H_ww over kept weights, the same for all scalings of ReLU units that leave the function as it is; 8 "
            "vectors of signs",
        ),
        "hessian_trace_normalised": (
            "nats",
            "mean of dᵀHd over 8 filter-normalised directions d: Gaussian in the kept weights, each filter scaled to "
            "the norm of the network's (Li et al. 2018)",
        ),
        "loss_rise_small": (
            "nats",
            "mean over 8 filter-normalised directions d of the loss at w ± 0.01·d, both signs averaged, less that at w",
        ),
        "loss_rise_large": ("nats", "the same at w ± 0.1·d"),
    }
    found = [
        Metric("hessian_top", "nats", "none", "sampled", f"largest eigenvalue of {hessian}"),
        Metric(
            "gradient_moment",
            "nats²",
            "none",
            "sampled",
            "mean over those samples of the squared norm of a sample's gradient in the kept weights; uncentred: the "
            "trace of the gradients' covariance is less by the squared norm of the mean gradient",
        ),
    ]
    for name, (unit, definition) in defined.items():
        found += [
            Metric(name, unit, "none", "sampled", definition),
            Metric(
                f"{name}_se", unit, "none", "shown", f"standard error of {name} over its 8 draws, for these samples"
            ),
        ]
    return found


STABILITY = [*_shaken(), *_flat()]
