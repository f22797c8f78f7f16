import * as tf from '@tensorflow/tfjs-core';
import { globalMean, linear, relu, squeezeExcite } from './layers.ts';
import { within, type ModelOptions, type Network, type ParamSpec } from './model.ts';
import { convMacs, convNet, type Pass } from './pass.ts';
import { batchNorm, conv, linear as linearSpecs, squeeze } from './specs.ts';

/** RegNetX and RegNetY (arXiv 2003.13678): widths of the blocks follow a line, rounded to four stages. */

/** The line and the groups. Block j of `depth` is about `initial` + `slope` · j wide. */
export interface RegNetShape {
  depth: number;
  initial: number;
  slope: number;
  /** Widths are `initial` times whole powers of this. */
  multiplier: number;
  /** Channels of one group of the 3×3 convolutions. */
  group: number;
  /** RegNetY: squeeze-and-excitation to a quarter of the block's input. */
  squeeze?: boolean;
}

const STEM = 32;

interface Block {
  name: string;
  inputs: number;
  outputs: number;
  stride: number;
  groups: number;
  /** Hidden channels of squeeze-and-excitation, 0 for none. */
  squeezed: number;
}

/** Builds a RegNet from its shape, for any input size. */
export function regNet(shape: RegNetShape, options: ModelOptions): Network {
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

/** Width and number of blocks of each stage. */
function stagesOf({ depth, initial, slope, multiplier }: RegNetShape): [width: number, count: number][] {
  const stages = new Map<number, number>();
  for (let block = 0; block < depth; block++) {
    const power = Math.round(Math.log(1 + (slope * block) / initial) / Math.log(multiplier));
    const width = roundHalfEven((initial * multiplier ** power) / 8) * 8;
    stages.set(width, (stages.get(width) ?? 0) + 1);
  }
  return [...stages];
}

/** As Python rounds, on which the released widths depend: 2.5 → 2. */
function roundHalfEven(value: number): number {
  return value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);
}

function blocksOf(shape: RegNetShape): Block[] {
  const blocks: Block[] = [];
  stagesOf(shape).forEach(([width, count], stage) => {
    const group = Math.min(shape.group, width);
    const outputs = roundHalfEven(width / group) * group;
    for (let index = 0; index < count; index++) {
      const inputs = blocks.at(-1)?.outputs ?? STEM;
      blocks.push({
        name: `s${stage + 1}.b${index + 1}`,
        inputs,
        outputs,
        stride: index === 0 ? 2 : 1,
        groups: outputs / group,
        squeezed: shape.squeeze ? Math.round(inputs / 4) : 0,
      });
    }
  });
  return blocks;
}

function forward(blocks: Block[], pass: Pass, images: tf.Tensor4D): tf.Tensor2D {
  const own = within(pass.params, 'head.fc.');
  let x = relu(pass.convNorm(images, 'stem.conv', 'stem.bn', { stride: 2, padding: 1 })); // [B, H/2, W/2, 32]
  blocks.forEach((block, index) => {
    const branch = pass.drop(bottleneck(pass, block, x), index);
    x = relu(tf.add(branch, shortcut(pass, block, x)));
  });
  return linear(pass.features(globalMean(x)), own('weight'), own('bias'));
}

function bottleneck(pass: Pass, { name, stride, groups, squeezed }: Block, input: tf.Tensor4D): tf.Tensor4D {
  let x = relu(pass.convNorm(input, `${name}.conv1.conv`, `${name}.conv1.bn`));
  x = relu(pass.convNorm(x, `${name}.conv2.conv`, `${name}.conv2.bn`, { stride, padding: 1, groups }));
  if (squeezed > 0) {
    const own = within(pass.params, `${name}.se.`);
    x = squeezeExcite(x, [own('fc1.weight'), own('fc1.bias')], [own('fc2.weight'), own('fc2.bias')], relu);
  }
  return pass.convNorm(x, `${name}.conv3.conv`, `${name}.conv3.bn`);
}

function macsOf(blocks: Block[], { classes, inputSize }: ModelOptions): number {
  let side = Math.ceil(inputSize / 2);
  let macs = convMacs(3, STEM, 3, side);
  for (const block of blocks) {
    const { inputs, outputs, stride, groups, squeezed } = block;
    macs += convMacs(inputs, outputs, 1, side);
    side = Math.ceil(side / stride);
    macs += convMacs(outputs, outputs, 3, side, groups) + 2 * outputs * squeezed + convMacs(outputs, outputs, 1, side);
    if (changesShape(block)) macs += convMacs(inputs, outputs, 1, side);
  }
  return macs + (blocks.at(-1)?.outputs ?? STEM) * classes;
}

function changesShape(block: Block): boolean {
  return block.stride !== 1 || block.inputs !== block.outputs;
}

function shortcut(pass: Pass, block: Block, x: tf.Tensor4D): tf.Tensor4D {
  const name = `${block.name}.downsample`;
  return changesShape(block) ? pass.convNorm(x, `${name}.conv`, `${name}.bn`, { stride: block.stride }) : x;
}

function specsOf(blocks: Block[], classes: number): ParamSpec[] {
  const width = blocks.at(-1)?.outputs ?? STEM;
  return [
    ...normed('stem', 3, STEM, 3),
    ...blocks.flatMap(blockSpecs),
    ...linearSpecs('head.fc', width, classes, { kind: 'normal', std: 0.01 }),
  ];
}

function normed(name: string, inputs: number, outputs: number, size: number, groups = 1): ParamSpec[] {
  return [conv(`${name}.conv`, inputs, outputs, size, groups), ...batchNorm(`${name}.bn`, outputs)];
}

function blockSpecs(block: Block): ParamSpec[] {
  const { name, inputs, outputs, groups, squeezed } = block;
  return [
    ...normed(`${name}.conv1`, inputs, outputs, 1),
    ...normed(`${name}.conv2`, outputs, outputs, 3, groups),
    ...(squeezed > 0 ? squeeze(`${name}.se.fc1`, `${name}.se.fc2`, outputs, squeezed) : []),
    conv(`${name}.conv3.conv`, outputs, outputs, 1),
    // Starting at zero, a block is its shortcut.
    ...batchNorm(`${name}.conv3.bn`, outputs, { kind: 'zeros' }),
    ...(changesShape(block) ? normed(`${name}.downsample`, inputs, outputs, 1) : []),
  ];
}
