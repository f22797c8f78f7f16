import * as tf from '@tensorflow/tfjs-core';
import { globalMean, linear, relu } from './layers.ts';
import { within, type Init, type ModelOptions, type Network, type ParamSpec } from './model.ts';
import { convMacs, convNet, type Pass } from './pass.ts';
import { batchNorm, conv, linear as linearSpecs } from './specs.ts';

/** ResNet (arXiv 1512.03385) as torchvision and timm have it: the stride is in the 3×3 convolution. */
export interface ResNetShape {
  /** Blocks of the four stages. */
  stages: [number, number, number, number];
  /** 1×1, 3×3, 1×1 with four times the channels at the end, in place of two 3×3. */
  bottleneck?: true;
}

const STEM = 64;
const WIDTHS = [64, 128, 256, 512];

interface ConvPart {
  inputs: number;
  outputs: number;
  size: number;
  stride: number;
}

interface Block {
  name: string;
  inputs: number;
  outputs: number;
  stride: number;
  /** `conv1`, `conv2`, … each followed by `bn1`, `bn2`, … */
  convs: ConvPart[];
}

/** Builds a ResNet from its shape, for any input size. */
export function resNet(shape: ResNetShape, options: ModelOptions): Network {
  const blocks = blocksOf(shape);
  return convNet(
    {
      specs: specsOf(blocks, options.classes),
      macs: macsOf(blocks, options),
      eps: 1e-5,
      dropShares: blocks.map((_, index) => index / (blocks.length - 1)),
      forward: (pass, images) => forward(blocks, pass, images),
    },
    options,
  );
}

function blocksOf({ stages, bottleneck }: ResNetShape): Block[] {
  const blocks: Block[] = [];
  stages.forEach((count, stage) => {
    for (let index = 0; index < count; index++) {
      const inputs = blocks.at(-1)?.outputs ?? STEM;
      const width = WIDTHS[stage];
      const stride = stage > 0 && index === 0 ? 2 : 1;
      const convs = bottleneck
        ? [
            { inputs, outputs: width, size: 1, stride: 1 },
            { inputs: width, outputs: width, size: 3, stride },
            { inputs: width, outputs: 4 * width, size: 1, stride: 1 },
          ]
        : [
            { inputs, outputs: width, size: 3, stride },
            { inputs: width, outputs: width, size: 3, stride: 1 },
          ];
      blocks.push({
        name: `layer${stage + 1}.${index}`,
        inputs,
        outputs: bottleneck ? 4 * width : width,
        stride,
        convs,
      });
    }
  });
  return blocks;
}

function forward(blocks: Block[], pass: Pass, images: tf.Tensor4D): tf.Tensor2D {
  const own = within(pass.params, 'fc.');
  const stem = relu(pass.convNorm(images, 'conv1', 'bn1', { stride: 2, padding: 3 })); // [B, H/2, W/2, 64]
  // After a ReLU a border of zeros changes no maximum.
  const bordered = tf.pad(stem, [
    [0, 0],
    [1, 1],
    [1, 1],
    [0, 0],
  ]);
  let x = tf.maxPool(bordered, 3, 2, 'valid'); // [B, H/4, W/4, 64]
  blocks.forEach((block, index) => {
    const branch = pass.drop(residual(pass, block, x), index);
    x = relu(tf.add(branch, shortcut(pass, block, x)));
  });
  return linear(pass.features(globalMean(x)), own('weight'), own('bias'));
}

function residual(pass: Pass, { name, convs }: Block, input: tf.Tensor4D): tf.Tensor4D {
  return convs.reduce((x, { size, stride }, index) => {
    const options = { stride, padding: (size - 1) / 2 };
    const y = pass.convNorm(x, `${name}.conv${index + 1}`, `${name}.bn${index + 1}`, options);
    return index < convs.length - 1 ? relu(y) : y;
  }, input);
}

function macsOf(blocks: Block[], { classes, inputSize }: ModelOptions): number {
  const stem = Math.ceil(inputSize / 2);
  let side = Math.ceil(stem / 2);
  let macs = convMacs(3, STEM, 7, stem);
  for (const block of blocks) {
    const { inputs, outputs, convs } = block;
    for (const part of convs) {
      side = Math.ceil(side / part.stride);
      macs += convMacs(part.inputs, part.outputs, part.size, side);
    }
    if (changesShape(block)) macs += convMacs(inputs, outputs, 1, side);
  }
  return macs + (blocks.at(-1)?.outputs ?? STEM) * classes;
}

function changesShape(block: Block): boolean {
  return block.stride !== 1 || block.inputs !== block.outputs;
}

function shortcut(pass: Pass, block: Block, x: tf.Tensor4D): tf.Tensor4D {
  const name = `${block.name}.downsample`;
  return changesShape(block) ? pass.convNorm(x, `${name}.0`, `${name}.1`, { stride: block.stride }) : x;
}

function specsOf(blocks: Block[], classes: number): ParamSpec[] {
  const width = blocks.at(-1)?.outputs ?? STEM;
  const uniform: Init = { kind: 'uniform', bound: 1 / Math.sqrt(width) };
  return [
    conv('conv1', 3, STEM, 7),
    ...batchNorm('bn1', STEM),
    ...blocks.flatMap(blockSpecs),
    ...linearSpecs('fc', width, classes, uniform, uniform),
  ];
}

function blockSpecs(block: Block): ParamSpec[] {
  const { name, convs, inputs, outputs } = block;
  // Starting at zero, a block is its shortcut.
  const start = (index: number): Init => ({ kind: index === convs.length - 1 ? 'zeros' : 'ones' });
  const own = convs.flatMap((part, index) => [
    conv(`${name}.conv${index + 1}`, part.inputs, part.outputs, part.size),
    ...batchNorm(`${name}.bn${index + 1}`, part.outputs, start(index)),
  ]);
  const down = [conv(`${name}.downsample.0`, inputs, outputs, 1), ...batchNorm(`${name}.downsample.1`, outputs)];
  return changesShape(block) ? [...own, ...down] : own;
}
