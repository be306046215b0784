"""Networks of others by every method: a residual network of torchvision, a transformer of timm.

Run it as it is, or cell by cell in an editor that knows `# %%`.
"""

# %% Random images of ten classes: brightness tells them
import timm
import torch
import torchvision

import svp_core

torch.manual_seed(0)
labels = torch.arange(80) % 10
images = torch.randn(80, 3, 32, 32) + labels[:, None, None, None] - 4.5
batches = list(zip(images.split(16), labels.split(16), strict=True))
task = {"classes": 10, "image_shape": (3, 32, 32)}

# %% A ResNet-18: its residual blocks are proposed as units, here a unit is a stage
resnet = torchvision.models.resnet18(num_classes=10)
print(svp_core.propose_units(resnet, (3, 32, 32), batch_size=16))
stages = ["layer1", "layer2", "layer3", "layer4"]
trainer = svp_core.Trainer(resnet, units=stages, method="local_lda", **task)
for batch in batches * 3:
    losses = trainer.step(*batch)
found = trainer.evaluate(batches)
print(f"ResNet-18: {found.accuracy:.1f} %, units {found.unit_accuracy}")

# %% A vision transformer, by backpropagation and by local units; phi is the class token
accuracies = {}
for method in ("bp", "svp"):
    vit = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=3, num_classes=10
    )
    trainer = svp_core.Trainer(vit, method=method, pool="cls", recipe={"lr": 0.0005}, **task)
    for batch in batches * 3:
        trainer.step(*batch)
    accuracies[method] = trainer.evaluate(batches).accuracy
print(accuracies)

# %% What a step costs each of them, side by side, at a size that no laptop holds
costs = svp_core.step_costs(
    torchvision.models.resnet18(num_classes=1000), 512, units=stages,
    classes=1000, image_shape=(3, 224, 224),
)  # fmt: skip
print(costs)
