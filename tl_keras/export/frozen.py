"""The network as one graph of constants, made as small as it can be.

Behind a convolution batch normalization is a factor and a summand for each channel.
TensorFlow's graph optimizer multiplies the factor into the kernel of a full
convolution without a bias; the others are left to us. Where an activation stands in
between, as in DenseNet and the later ResNets, the factor has to stay.
"""

from collections import Counter
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.core.protobuf.meta_graph_pb2 import CollectionDef
from tensorflow.python.eager.wrap_function import function_from_graph_def
from tensorflow.python.grappler.tf_optimizer import OptimizeGraph
from tensorflow.python.training.saver import export_meta_graph

from tl_keras.export.grouped import in_plain_operations
from tl_keras.training import outputs
from tl_keras.training.engines.graph import constant_graph

PASSES = ("constfold", "dependency", "pruning")
# Kernels are `(height, width, inputs, filters)` and `(height, width, inputs, each)`.
DEPTHWISE = "DepthwiseConv2dNative"
CONVOLUTIONS = ("Conv2D", DEPTHWISE)
ADDITIONS = ("AddV2", "BiasAdd")


@dataclass(frozen=True)
class Frozen:
    """A graph of constants.

    Attributes:
        graph: Without functions or variables.
        inputs: Names of its inputs' tensors.
        outputs: Names of its outputs' tensors.
    """

    graph: GraphDef
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def function(self, outputs: int | None = None) -> tf.types.experimental.Callable:
        """Returns it as a function that gives a list.

        Args:
            outputs: How many of the outputs, from the first; `None` for all.
        """
        wanted = list(self.outputs[:outputs])
        return function_from_graph_def(self.graph, list(self.inputs), wanted)


def freeze(
    model: keras.Model, kind: str, temperature: float, dtype: str = "uint8"
) -> Frozen:
    """Returns the graph from pixels to probabilities, and whatever else it gives.

    Args:
        model: From pixels in [0, 255] to logits, and to other outputs behind them.
        kind: What the logits stand for: see `training.outputs`.
        temperature: By which the logits are divided.
        dtype: What the pixels come as.
    """
    logits, *others = model.outputs
    probabilities = outputs.probabilities(logits / temperature, kind)
    whole = keras.Model(model.inputs, [probabilities, *others])
    with in_plain_operations(whole):
        frozen = constant_graph(whole, dtype)
    inputs = tuple(tensor.name for tensor in frozen.inputs)
    results = tuple(tensor.name for tensor in frozen.outputs)
    graph = _computed(frozen.graph.as_graph_def(), inputs + results)
    _fold_factors(graph)
    return Frozen(_computed(graph, inputs + results), inputs, results)


def _computed(graph: GraphDef, kept: tuple[str, ...]) -> GraphDef:
    """Returns a graph with all computed that depends on no input, and no more.

    Args:
        graph: Of constants.
        kept: Names of the tensors that must stay.
    """
    config = ConfigProto()
    rewriting = config.graph_options.rewrite_options
    # Graphs of a few operations would be left as they are.
    rewriting.min_graph_nodes = -1
    rewriting.optimizers.extend(PASSES)
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
    whole = export_meta_graph(graph_def=graph, graph=imported)
    names = CollectionDef()
    names.node_list.value.extend(kept)
    whole.collection_def["train_op"].CopyFrom(names)
    return OptimizeGraph(config, whole)


def _fold_factors(graph: GraphDef) -> None:
    """Multiplies constant factors behind convolutions into their kernels."""
    nodes = {node.name: node for node in graph.node}
    used = Counter(_source(name) for node in graph.node for name in node.input)
    for node in list(graph.node):
        if node.op != "Mul":
            continue
        chain, factor = _behind_convolution(node, nodes)
        if factor is None or any(used[part.name] > 1 for part in chain):
            continue
        *biases, convolution = chain
        kernel = _value(nodes, convolution.input[1])
        scaled = None if kernel is None else _scaled(kernel, factor, convolution.op)
        if scaled is None:
            continue
        convolution.input[1] = _constant(graph, f"{node.name}/kernel", scaled)
        for bias in biases:
            moved = _value(nodes, bias.input[1]) * factor.reshape(-1)
            bias.input[1] = _constant(graph, f"{bias.name}/{node.name}/bias", moved)
        node.CopyFrom(_identity(node.name, _other(node, nodes)))


def _behind_convolution(
    product: NodeDef, nodes: dict[str, NodeDef]
) -> tuple[list[NodeDef], np.ndarray | None]:
    """Returns what a factor is applied to: biases, then a convolution, and the factor.

    The factor is `None` where the product is of anything else.
    """
    values = [_value(nodes, name) for name in product.input[:2]]
    factor = next((value for value in values if value is not None), None)
    node = nodes[_source(_other(product, nodes))]
    chain = [node]
    while node.op in ADDITIONS and _value(nodes, node.input[1]) is not None:
        node = nodes[_source(node.input[0])]
        chain.append(node)
    fits = node.op in CONVOLUTIONS and factor is not None
    return chain, factor if fits else None


def _scaled(kernel: np.ndarray, factor: np.ndarray, kind: str) -> np.ndarray | None:
    """Returns a kernel times a factor for each channel; `None` where it is no such.

    Args:
        kernel: `(height, width, inputs, filters)`; of a depthwise convolution
            `(height, width, inputs, outputs of each)`.
        factor: Of any shape that the convolution's result is multiplied by.
        kind: The convolution's operation.
    """
    channels = kernel.shape[3] * (kernel.shape[2] if kind == DEPTHWISE else 1)
    if factor.size != channels or factor.shape[-1:] != (channels,):
        return None
    shape = kernel.shape[2:] if kind == DEPTHWISE else kernel.shape[3:]
    return kernel * factor.reshape(shape)


def _other(product: NodeDef, nodes: dict[str, NodeDef]) -> str:
    """Returns the name of what a constant is multiplied with."""
    first, second = product.input[:2]
    return first if _value(nodes, first) is None else second


def _source(name: str) -> str:
    """Returns the node that an input's name stands for."""
    return name.lstrip("^").split(":")[0]


def _value(nodes: dict[str, NodeDef], name: str) -> np.ndarray | None:
    """Returns the value of an input, `None` where it is no constant."""
    node = nodes.get(_source(name))
    if node is None or node.op != "Const":
        return None
    return tf.make_ndarray(node.attr["value"].tensor)


def _constant(graph: GraphDef, name: str, value: np.ndarray) -> str:
    """Adds a constant to a graph and returns its name."""
    node = graph.node.add(op="Const", name=name)
    node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return name


def _identity(name: str, source: str) -> NodeDef:
    """Returns an operation that passes a tensor of float32 on."""
    node = NodeDef(op="Identity", name=name, input=[source])
    node.attr["T"].type = tf.float32.as_datatype_enum
    return node
