import * as tf from '@tensorflow/tfjs-core';
import { globalMean, linear, relu6, silu, squeezeExcite, type ConvOptions } from './layers.ts';
import { within, type ModelOptions, type Network, type ParamSpec } from './model.ts';
import { convMacs, convNet, type Pass } from './pass.ts';
import { batchNorm, conv, linear as linearSpecs, squeeze } from './specs.ts';

/** EfficientNet (arXiv 1905.11946) and EfficientNet-Lite, in torch's and in TensorFlow's padding. */

/** Describes one EfficientNet among the others. */
export interface EfficientNetShape {
  /** Multiplies the channels of every stage. */
  width: number;
  /** Multiplies the blocks of every stage. */
  depth: number;
  /** How many of the seven stages; all when left out. */
  stages?: number;
  /** ReLU6, no squeeze-and-excitation; stem, head, first and last stage are not scaled. */
  lite?: boolean;
  /** TensorFlow's `same` padding and batch norm epsilon 1e-3, as its released weights need. */
  tensorflow?: boolean;
}

/** Kernel, stride of the first block, expansion, channels, blocks. */
const STAGES = [
  [3, 1, 1, 16, 1],
  [3, 2, 6, 24, 2],
  [5, 2, 6, 40, 2],
  [3, 2, 6, 80, 3],
  [5, 1, 6, 112, 3],
  [5, 2, 6, 192, 4],
  [3, 1, 6, 320, 1],
] as const;

interface Block {
  name: string;
  kernel: number;
  stride: number;
  inputs: number;
  /** Channels of the depthwise convolution; equal to `inputs` where nothing is expanded. */
  middle: number;
  outputs: number;
  /** Hidden channels of squeeze-and-excitation, 0 for none. */
  squeezed: number;
}

interface Plan {
  stem: number;
  head: number;
  blocks: Block[];
  activation: <T extends tf.Tensor>(x: T) => T;
  padding: (kernel: number) => ConvOptions['padding'];
}

/** Builds an EfficientNet from its shape, for any input size. */
export function efficientNet(shape: EfficientNetShape, options: ModelOptions): Network {
  const plan = planOf(shape);
  const { blocks } = plan;
  return convNet(
    {
      specs: specsOf(plan, options.classes),
      macs: macsOf(plan, options),
      eps: shape.tensorflow ? 1e-3 : 1e-5,
      dropShares: blocks.map((_, index) => index / blocks.length),
      forward: (pass, images) => forward(plan, pass, images),
    },
    options,
  );
}

/** The nearest multiple of 8, but never less than nine tenths of the number. */
function divisible(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

function planOf(shape: EfficientNetShape): Plan {
  const scaled = (channels: number) => divisible(channels * shape.width);
  const stem = shape.lite ? 32 : scaled(32);
  const blocks: Block[] = [];
  STAGES.slice(0, shape.stages).forEach(([kernel, stride, expansion, channels, count], stage) => {
    const fixed = shape.lite && (stage === 0 || stage === STAGES.length - 1);
    const repeats = fixed ? count : Math.ceil(count * shape.depth);
    for (let index = 0; index < repeats; index++) {
      const inputs = blocks.at(-1)?.outputs ?? stem;
      blocks.push({
        name: `blocks.${stage}.${index}`,
        kernel,
        stride: index === 0 ? stride : 1,
        inputs,
        middle: divisible(inputs * expansion),
        outputs: scaled(channels),
        squeezed: shape.lite ? 0 : Math.round(inputs / 4),
      });
    }
  });
  return {
    stem,
    head: shape.lite ? 1280 : scaled(1280),
    blocks,
    activation: shape.lite ? relu6 : silu,
    padding: (kernel) => (shape.tensorflow ? 'same' : (kernel - 1) / 2),
  };
}

function forward(plan: Plan, pass: Pass, images: tf.Tensor4D): tf.Tensor2D {
  const { activation, padding } = plan;
  const own = within(pass.params, 'classifier.');
  let x = activation(pass.convNorm(images, 'conv_stem', 'bn1', { stride: 2, padding: padding(3) })); // [B, H/2, W/2, C]
  plan.blocks.forEach((block, index) => {
    const branch = residual(plan, pass, block, x);
    x = block.stride === 1 && block.inputs === block.outputs ? tf.add(pass.drop(branch, index), x) : branch;
  });
  const features = globalMean(activation(pass.convNorm(x, 'conv_head', 'bn2'))); // [B, 1280]
  return linear(pass.features(features), own('weight'), own('bias'));
}

/** Expansion, depthwise convolution, squeeze-and-excitation, projection. The first stage does not expand. */
function residual(plan: Plan, pass: Pass, block: Block, input: tf.Tensor4D): tf.Tensor4D {
  const { name, kernel, stride, middle, squeezed } = block;
  const parts = partsOf(block);
  const expand = (x: tf.Tensor4D) => plan.activation(pass.convNorm(x, `${name}.conv_pw`, `${name}.bn1`));
  let x = parts.expands ? expand(input) : input;
  const depthwise = { stride, padding: plan.padding(kernel), groups: middle };
  x = plan.activation(pass.convNorm(x, `${name}.conv_dw`, `${name}.${parts.depthwiseNorm}`, depthwise));
  if (squeezed > 0) {
    const own = within(pass.params, `${name}.se.`);
    const reduce: [tf.Tensor, tf.Tensor] = [own('conv_reduce.weight'), own('conv_reduce.bias')];
    x = squeezeExcite(x, reduce, [own('conv_expand.weight'), own('conv_expand.bias')], plan.activation);
  }
  return pass.convNorm(x, `${name}.${parts.project}`, `${name}.${parts.projectNorm}`);
}

/** timm's names: in a block that does not expand, `conv_pw` is the projection. */
function partsOf(block: Block) {
  const expands = block.middle !== block.inputs;
  return expands
    ? { expands, depthwiseNorm: 'bn2', project: 'conv_pwl', projectNorm: 'bn3' }
    : { expands, depthwiseNorm: 'bn1', project: 'conv_pw', projectNorm: 'bn2' };
}

function macsOf({ stem, head, blocks }: Plan, { classes, inputSize }: ModelOptions): number {
  let side = Math.ceil(inputSize / 2);
  let macs = convMacs(3, stem, 3, side);
  for (const block of blocks) {
    const { kernel, stride, inputs, middle, outputs, squeezed } = block;
    if (partsOf(block).expands) macs += convMacs(inputs, middle, 1, side);
    side = Math.ceil(side / stride);
    macs += convMacs(middle, middle, kernel, side, middle) + 2 * middle * squeezed + convMacs(middle, outputs, 1, side);
  }
  return macs + convMacs(blocks.at(-1)?.outputs ?? stem, head, 1, side) + head * classes;
}

function specsOf(plan: Plan, classes: number): ParamSpec[] {
  const last = plan.blocks.at(-1)?.outputs ?? plan.stem;
  const bound = 1 / Math.sqrt(classes);
  return [
    conv('conv_stem', 3, plan.stem, 3),
    ...batchNorm('bn1', plan.stem),
    ...plan.blocks.flatMap(blockSpecs),
    conv('conv_head', last, plan.head, 1),
    ...batchNorm('bn2', plan.head),
    ...linearSpecs('classifier', plan.head, classes, { kind: 'uniform', bound }),
  ];
}

function blockSpecs(block: Block): ParamSpec[] {
  const { name, kernel, inputs, middle, outputs, squeezed } = block;
  const parts = partsOf(block);
  const expansion = [conv(`${name}.conv_pw`, inputs, middle, 1), ...batchNorm(`${name}.bn1`, middle)];
  return [
    ...(parts.expands ? expansion : []),
    conv(`${name}.conv_dw`, middle, middle, kernel, middle),
    ...batchNorm(`${name}.${parts.depthwiseNorm}`, middle),
    ...(squeezed > 0 ? squeeze(`${name}.se.conv_reduce`, `${name}.se.conv_expand`, middle, squeezed) : []),
    conv(`${name}.${parts.project}`, middle, outputs, 1),
    ...batchNorm(`${name}.${parts.projectNorm}`, outputs),
  ];
}
