"""What comes before the head, and the head: together they are the model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from augcli.manifests.errors import UsageError
from augcli.train.forward import Forward
from augcli.train.heads import Backbone, Features, Head
from augcli.train.layer_groups import LayerGroup, layer_groups
from augcli.train.models import build_model

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "features", "dropouts"),
    [
        ("small", (256,), 0),
        ("resnet18", (512,), 0),
        ("mobilenet_v3_small", (1024,), 1),
        ("shufflenet_v2_x0_5", (1024,), 0),
        ("squeezenet1_1", (512, 3, 3), 1),
        ("mnasnet0_5", (1280,), 1),
    ],
)
def test_features_and_head_make_the_models_logits(
    name: str, features: tuple[int, ...], dropouts: int
) -> None:
    model = build_model(name, 3, (64, 64), seed=0)
    model.train()
    head = Head(model, layer_groups(model, name))
    backbone = Backbone(model, head, Forward(CPU), (64, 64))
    pixels = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    made = backbone(pixels)
    assert model.training and not made.requires_grad
    assert made.shape == (4, *features) and made.dtype == torch.float32
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), "running statistics stay as they were"
    assert sum(isinstance(module, nn.Dropout) for module in head.modules()) == dropouts
    expected = Forward(CPU)(model.eval(), pixels)
    torch.testing.assert_close(Features(CPU)(head.eval(), made), expected, rtol=1e-4, atol=1e-5)


class Twice(nn.Module):
    """Does something after its head."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 2, 8, stride=8), nn.Linear(2, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = 2 * self.head(self.body(images).mean((2, 3))) + 1
        return logits


def test_a_model_that_goes_on_after_its_head_is_refused() -> None:
    model = Twice()
    groups: tuple[LayerGroup, ...] = layer_groups(model, "twice")
    with pytest.raises(UsageError, match="--precompute: this model does more after its head"):
        Backbone(model, Head(model, groups), Forward(CPU), (64, 64))
