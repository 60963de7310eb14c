"""The layers of a network in groups, from its input to its head: what to freeze, and how fast to
train each part.

The first group is the stem, which sees pixels; the last is the head, the one layer that was made
for the data's classes; between them is a stage for each size of the maps, as the networks' papers
count stages. A transformer with one size of maps (ViT) has its blocks in four stages. What comes
after the last stage and before the head (a norm, a wide last convolution, hidden linear layers of
old networks) belongs to the stage before it, or is a stage of its own where it holds most weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from augcli.train.families import of_family

Plan = list[list[str]]
"""For each group the names of its modules, and of parameters that are in none of them."""

VIT_STAGES = 4


@dataclass(frozen=True, eq=False)
class LayerGroup:
    """Some consecutive layers of a model, with names as in the model's `named_parameters`."""

    name: str
    """`stem`, `stage 1` and so on, `head`."""
    modules: tuple[nn.Module, ...]
    """Whole modules, without the modules in them."""
    named_parameters: tuple[tuple[str, nn.Parameter], ...]

    @property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        """What `named_parameters` holds, without names."""
        return tuple(parameter for _, parameter in self.named_parameters)


def layer_groups(model: nn.Module, name: str) -> tuple[LayerGroup, ...]:
    """The layers of `model`, which is `build_model(name, ...)`, in the order of its forward pass.

    Every parameter is in exactly one group. In a family that isn't known here, the parts of the
    model that have parameters are the groups.
    """
    plan = of_family(PLANS, name, _by_parts)(model)
    titles = ["stem", *(f"stage {number}" for number in range(1, len(plan) - 1)), "head"]
    groups = tuple(_group(model, title, names) for title, names in zip(titles, plan, strict=True))
    grouped = [parameter for group in groups for parameter, _ in group.named_parameters]
    every = [parameter for parameter, _ in model.named_parameters()]
    assert sorted(grouped) == sorted(every), f"{name}: {set(grouped) ^ set(every)}"
    return groups


def _group(model: nn.Module, title: str, names: list[str]) -> LayerGroup:
    parameters = dict(model.named_parameters())
    modules: list[nn.Module] = []
    found: list[tuple[str, nn.Parameter]] = []
    for name in names:
        if name in parameters:
            found.append((name, parameters[name]))
            continue
        module = model.get_submodule(name)
        modules.append(module)
        found += [(f"{name}.{inner}", value) for inner, value in module.named_parameters()]
    return LayerGroup(title, tuple(modules), tuple(found))


def is_kernel(name: str, parameter: nn.Parameter) -> bool:
    """Whether it is a matrix or a kernel, that inputs are multiplied with: `…weight` with two or
    more dimensions. Norms and biases are not, nor position embeddings and bias tables, class
    tokens, layer scales and temperatures, whatever their dimensions."""
    return name.endswith("weight") and parameter.ndim > 1


def input_kernel(groups: Sequence[LayerGroup]) -> str:
    """The name of the kernel that pixels are multiplied with."""
    every = (named for group in groups for named in group.named_parameters)
    return next(name for name, value in every if is_kernel(name, value))


def _by_parts(model: nn.Module) -> Plan:
    """Each child, and parameters in no child with the first; an only child is taken apart."""
    prefix, inner = "", model
    while True:
        own = [f"{prefix}{name}" for name, _ in inner.named_parameters(recurse=False)]
        children = [
            (f"{prefix}{name}", child)
            for name, child in inner.named_children()
            if next(child.parameters(), None) is not None
        ]
        if len(children) != 1 or own:
            break
        [(name, inner)] = children
        prefix = f"{name}."
    names = [name for name, _ in children]
    if len(names) < 2:
        return [[], [*own, *names]]
    return [[*own, names[0]], *([name] for name in names[1:])]


def _fixed(*groups: str) -> Callable[[nn.Module], Plan]:
    """The same plan for every network of a family; names of a group are separated by spaces."""
    return lambda model: [group.split() for group in groups]


def _children(model: nn.Module, name: str, start: int = 0) -> list[tuple[str, nn.Module]]:
    """The children of the module `name` from number `start` on, under their full names."""
    children = list(model.get_submodule(name).named_children())[start:]
    return [(f"{name}.{child}", module) for child, module in children]


def _cut_at_strides(children: Iterable[tuple[str, nn.Module]]) -> Plan:
    """A stage begins with each child that halves the maps."""
    plan: Plan = []
    for name, module in children:
        halves = any(
            isinstance(inner, nn.Conv2d) and inner.stride[0] > 1 for inner in module.modules()
        )
        if halves or not plan:
            plan.append([])
        plan[-1].append(name)
    return plan


def _cut_at_pools(children: Iterable[tuple[str, nn.Module]]) -> Plan:
    """A stage ends with each pooling."""
    plan: Plan = [[]]
    for name, module in children:
        plan[-1].append(name)
        if isinstance(module, nn.MaxPool2d):
            plan.append([])
    return [names for names in plan if names]


def _vgg(model: nn.Module) -> Plan:
    hidden = ["classifier.0", "classifier.3"]
    return [*_cut_at_pools(_children(model, "features")), hidden, ["classifier.6"]]


def _squeezenet(model: nn.Module) -> Plan:
    fires = _children(model, "features", start=3)  # after convolution, ReLU and pooling
    return [["features.0"], *_cut_at_pools(fires), ["classifier.1"]]


def _features(*classifier: str) -> Callable[[nn.Module], Plan]:
    """MobileNets and EfficientNets: all of `features`, then linear layers, of which one is last."""

    def plan(model: nn.Module) -> Plan:
        *hidden, head = classifier
        stages = _cut_at_strides(_children(model, "features", start=1))
        stages[-1] += hidden
        return [["features.0"], *stages, [head]]

    return plan


def _mnasnet(model: nn.Module) -> Plan:
    stem = [f"layers.{number}" for number in range(8)]
    return [stem, *_cut_at_strides(_children(model, "layers", start=8)), ["classifier.1"]]


def _vit(model: nn.Module) -> Plan:
    blocks = [name for name, _ in _children(model, "encoder.layers")]
    bounds = [len(blocks) * number // VIT_STAGES for number in range(VIT_STAGES + 1)]
    stages = [blocks[bounds[i] : bounds[i + 1]] for i in range(VIT_STAGES)]
    stages[-1].append("encoder.ln")
    return [["conv_proj", "class_token", "encoder.pos_embedding"], *stages, ["heads.head"]]


_RESNET = _fixed("conv1 bn1", "layer1", "layer2", "layer3", "layer4", "fc")

PLANS: dict[str, Callable[[nn.Module], Plan]] = {
    "small": _fixed("stem", "body.0 body.1", "body.2 body.3", "body.4 body.5", "head"),
    "alexnet": _fixed(
        "features.0",
        "features.3",
        "features.6 features.8 features.10",
        "classifier.1 classifier.4",
        "classifier.6",
    ),
    "convnext": _fixed(
        "features.0",
        "features.1",
        "features.2 features.3",
        "features.4 features.5",
        "features.6 features.7 classifier.0",
        "classifier.2",
    ),
    "densenet": _fixed(
        "features.conv0 features.norm0",
        "features.denseblock1 features.transition1",
        "features.denseblock2 features.transition2",
        "features.denseblock3 features.transition3",
        "features.denseblock4 features.norm5",
        "classifier",
    ),
    "efficientnet": _features("classifier.1"),
    "googlenet": _fixed(
        "conv1",
        "conv2 conv3",
        "inception3a inception3b",
        "inception4a inception4b inception4c inception4d inception4e",
        "inception5a inception5b",
        "fc",
    ),
    "inception": _fixed(
        "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3",
        "Conv2d_3b_1x1 Conv2d_4a_3x3",
        "Mixed_5b Mixed_5c Mixed_5d",
        "Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e",
        "Mixed_7a Mixed_7b Mixed_7c",
        "fc",
    ),
    "maxvit": _fixed(
        "stem",
        "blocks.0",
        "blocks.1",
        "blocks.2",
        "blocks.3 classifier.2 classifier.3",
        "classifier.5",
    ),
    "mnasnet": _mnasnet,
    "mobilenet_v2": _features("classifier.1"),
    "mobilenet_v3": _features("classifier.0", "classifier.3"),
    "regnet": _fixed(
        "stem",
        "trunk_output.block1",
        "trunk_output.block2",
        "trunk_output.block3",
        "trunk_output.block4",
        "fc",
    ),
    "resnet": _RESNET,
    "resnext": _RESNET,
    "shufflenet": _fixed("conv1", "stage2", "stage3", "stage4 conv5", "fc"),
    "squeezenet": _squeezenet,
    "swin": _fixed(
        "features.0",
        "features.1",
        "features.2 features.3",
        "features.4 features.5",
        "features.6 features.7 norm",
        "head",
    ),
    "vgg": _vgg,
    "vit": _vit,
    "wide_resnet": _RESNET,
}
"""Beginning of the model's name -> what its groups are."""
