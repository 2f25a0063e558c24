"""Names of backbones that stand for all."""

# The smallest of each family that is built in its own way.
FAMILIES = (
    "lenet5",
    "alexnet",
    "vgg11",
    "googlenet",
    "resnet18",
    "resnet50",
    "resnet20_cifar",
    "xception",
    "mobilenet",
    "efficientnet_lite0",
    "resnet50_v2",
    "inception_v3",
    "inception_resnet_v2",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "densenet121",
    "nasnet_mobile",
    "efficientnet_b0",
    "efficientnet_v2_b0",
    "convnext_tiny",
)
