"""ONNX: ``images`` in [0, 1] -> ``logits``, ``E`` and ``E_y``, written by torch.onnx.

It is checked by onnxruntime on the CPU. The metadata hold the names of the classes, as JSON.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.tensors import weights_of
from jeat.exports._program import BATCHES, Energies, images, program
from jeat.nets import spec_of

__all__ = ["read", "write"]

suffixes = (".onnx",)
needs = ("onnx", "onnxscript", "onnxruntime")

OUTPUTS = ("logits", "E", "E_y")
SAID = {
    "logits": "f(x)[k] = -E(x, k)",
    "E": "E(x) = -logsumexp f(x)",
    "E_y": "E(x, k) of every class k",
}


def write(net: nn.Module, file: Path) -> None:
    """One file, with its weights.

    Raises:
        ValueError: weights of more than 2 GB, which one file of ONNX cannot hold.
    """
    if sum(t.nbytes for t in weights_of(net).values()) > 2_000_000_000:
        raise ValueError("its weights are more than 2 GB, which one file of ONNX cannot hold")
    graph = program(Energies(net), images(net))
    made: Any = torch.onnx.export(
        graph, (), dynamo=True, dynamic_shapes=BATCHES, input_names=["images"],
        output_names=[*OUTPUTS], verbose=False,
    )  # fmt: skip
    made.model.metadata_props["classes"] = json.dumps(spec_of(net).classes)
    shape = ", ".join(map(str, spec_of(net).shape))
    said = SAID | {"images": f"(batch, {shape}), in [0, 1]; normalisation is inside"}
    for value in (*made.model.graph.inputs, *made.model.graph.outputs):
        value.doc_string = said.get(value.name, "")
    file.write_bytes(made.model_proto.SerializeToString())


def read(file: Path) -> Callable[[Tensor], dict[str, Tensor]]:
    """The outputs by onnxruntime."""
    from onnxruntime import InferenceSession

    session = InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def outputs(x: Tensor) -> dict[str, Tensor]:
        (given,) = session.get_inputs()
        found = session.run(OUTPUTS, {given.name: x.numpy()})
        return {k: torch.from_numpy(v) for k, v in zip(OUTPUTS, found, strict=True)}

    return outputs
