"""A small U-Net (Ronneberger et al. 2015): 30,000 weights."""

import torch
from torch import nn


class UNet(nn.Module):
    """Give for each pixel a number that a sigmoid turns into the probability of an object.

    Height and width must be multiples of 4. What is more than 24 pixels away from a pixel has no
    influence on it.
    """

    def __init__(self, channels=1, width=8):
        super().__init__()
        self.down1 = convolutions(channels, width)
        self.down2 = convolutions(width, 2 * width)
        self.deepest = convolutions(2 * width, 4 * width)
        self.grow2 = nn.ConvTranspose2d(4 * width, 2 * width, kernel_size=2, stride=2)
        self.up2 = convolutions(4 * width, 2 * width)
        self.grow1 = nn.ConvTranspose2d(2 * width, width, kernel_size=2, stride=2)
        self.up1 = convolutions(2 * width, width)
        self.last = nn.Conv2d(width, 1, kernel_size=1)

    def forward(self, images):
        large = self.down1(images)
        small = self.down2(nn.functional.max_pool2d(large, 2))
        grown = self.grow2(self.deepest(nn.functional.max_pool2d(small, 2)))
        small = self.up2(torch.cat([small, grown], dim=1))
        return self.last(self.up1(torch.cat([large, self.grow1(small)], dim=1)))


def convolutions(before, after):
    layers = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)
