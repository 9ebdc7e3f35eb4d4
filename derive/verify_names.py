"""Owns the names that people give to operands, numbers and gradients, and what a layer passes under them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from derive.layers.base import Layer

OPERANDS = {
    "grad_output": "grad_output grad_out dldz dldy dl_dz dl_dy dout d_out dz dy g grad gradient "
    "upstream delta",
    "input": "input inputs x a image images a_prev inp x_in x1 input1 first z logits scores pred preds "
    "prediction predictions y_pred y_hat yhat probs",
    "weight": "weight weights w filter filters f kernel kernels gamma bw",
    "bias": "bias b biases beta bb",
    "other": "other y b x2 y2 input2 second skip residual shortcut",
    "target": "target targets y t label labels truth y_true y_target",
    "class_weight": "class_weight class_weights weight weights w",
    "pos_weight": "pos_weight positive_weight",
    "mask": "mask masks m keep",
    "indices": "indices index idx argmax max_idx max_indices switches places",
    "running_mean": "running_mean mean mu moving_mean",
    "running_var": "running_var variance var moving_var",
}
NUMBERS = {
    "kernel_size": "kernel_size kernel_shape kernel pool_size pool window window_size filter_size ksize k f",
    "stride": "stride strides step s",
    "padding": "padding pad paddings pads p",
    "dilation": "dilation dilations d",
    "groups": "groups group",
    "in_channels": "in_channels in_channel",
    "out_channels": "out_channels out_channel",
    "output_padding": "output_padding output_pad out_pad",
    "factor": "factor factors upsampling_factor downsampling_factor upsample_factor downsample_factor "
    "scale rate stride k f s",
    "scale_factor": "scale_factor scale factor",
    "size": "size output_size out_size",
    "output_size": "output_size out_size size",
    "upscale_factor": "upscale_factor factor scale r",
    "downscale_factor": "downscale_factor factor scale r",
    "in_features": "in_features in_feature",
    "out_features": "out_features out_feature",
    "padding_mode": "padding_mode pad_mode mode",
    "divisor_override": "divisor_override divisor",
    "dim": "dim axis",
    "input_shape": "input_shape in_shape x_shape a_shape shape",
    "output_shape": "output_shape out_shape",
    "pad_width": "pad_width",
    "negative_slope": "negative_slope slope alpha leak",
    "norm_type": "norm_type norm p power",
    "eps": "eps epsilon",
    "p": "p drop_prob rate prob",
    "label_smoothing": "label_smoothing smoothing",
    "weight_decay": "weight_decay lam lambda_ reg l2",
    "training": "training train is_training",
    "num_features": "num_features features channels",
    "min_val": "min_val low",
    "max_val": "max_val high",
}
"""Where two lists share a word, the role that the layer has is meant."""
RESULTS = {
    "output": "output out y z forward result loss value",
    "input": "input x grad_input grad_x dx dlda dl_da da dl_dx dldx din dinput d_input a_grad gx dx1 "
    "dlogits dscores dz dldz dl_dz grad_logits grad_z",
    "weight": "weight w grad_weight grad_w dw dldw dl_dw dweight dfilter dfilters df d_weight gw dgamma "
    "grad_gamma dldbw",
    "bias": "bias b grad_bias grad_b db dldb dl_db dbias d_bias gb dbeta grad_beta dldbb",
    "target": "target grad_target dtarget dt dy",
    "indices": "indices index idx argmax max_idx max_indices switches",
    "other": "other grad_other dother d_other dy db dx2 grad_b b gb gy",
}


def given(name: str) -> bool:
    """Whether an operand is passed to a function; the others are results."""
    return name != "output" and not name.startswith("new_")


def lookup(table: Mapping[str, str], title: str, known: Iterable[str] | None = None) -> str | None:
    """The role that a name stands for, among the known roles; a role's own name goes first."""
    rows = dict(table) if known is None else {key: table.get(key, key) for key in known}
    word = title.lower()
    if word in rows:
        return word
    return next((key for key, names in rows.items() if word in names.split()), None)


def passed(layer: Layer, shape: tuple[int, ...]) -> dict[str, Any]:
    """The numbers of a layer as a function gets them: its arguments, one value where all axes agree."""
    found = {f.name: short(getattr(layer, f.name)) for f in fields(layer) if f.name not in OPERANDS}
    for key, title in (("kernel_size", "kernel"), ("stride", "strides"), ("dilation", "dilations")):
        if (values := getattr(layer, title, None)) is not None:
            found[key] = short(values)
    if (pads := getattr(layer, "paddings", None)) is not None:
        found["padding"] = padding(pads)
    if (pairs := getattr(layer, "pairs", None)) is not None:
        found["pad_width"] = ((0, 0),) * (len(shape) - len(pairs)) + tuple(pairs)
    return found | {"input_shape": shape, "output_shape": layer.output_shape(shape)}


def short(value: Any) -> Any:
    """A tuple of equal numbers as that number; anything else as it is."""
    if isinstance(value, tuple) and value and len(set(value)) == 1:
        return value[0] if isinstance(value[0], (int, float)) else value
    return value


def padding(pads: tuple[tuple[int, int], ...]) -> Any:
    """One number, one an axis, or pairs (before, after), whichever says it all."""
    if all(before == after for before, after in pads):
        return short(tuple(before for before, _ in pads))
    return pads
