import type { Init, ParamSpec } from './model.ts';

/** The parameters of each kind of layer, in torch's order. */

const ZEROS: Init = { kind: 'zeros' };
const ONES: Init = { kind: 'ones' };

/** Describes one trained parameter. */
export function param(name: string, shape: number[], init: Init): ParamSpec {
  return { name, shape, init, buffer: false };
}

/** Describes weight [out, in] and bias [out]. */
export function linear(name: string, inputs: number, outputs: number, weight: Init, bias: Init = ZEROS): ParamSpec[] {
  return [param(`${name}.weight`, [outputs, inputs], weight), param(`${name}.bias`, [outputs], bias)];
}

/** Describes weight and bias [width] of a layer norm. */
export function layerNorm(name: string, width: number): ParamSpec[] {
  return [param(`${name}.weight`, [width], ONES), param(`${name}.bias`, [width], ZEROS)];
}

/** Describes a square kernel [out, in / groups, size, size], normal with variance 2 / fan-out (He), no bias. */
export function conv(name: string, inputs: number, outputs: number, size: number, groups = 1): ParamSpec {
  const std = Math.sqrt(2 / Math.floor((size * size * outputs) / groups));
  return param(`${name}.weight`, [outputs, inputs / groups, size, size], { kind: 'normal', std });
}

/** Describes scale, shift, running mean, running variance [width] and the batch counter [] of a batch norm. */
export function batchNorm(name: string, width: number, weight: Init = ONES): ParamSpec[] {
  return [
    param(`${name}.weight`, [width], weight),
    param(`${name}.bias`, [width], ZEROS),
    { name: `${name}.running_mean`, shape: [width], init: ZEROS, buffer: true },
    { name: `${name}.running_var`, shape: [width], init: ONES, buffer: true },
    { name: `${name}.num_batches_tracked`, shape: [], init: ZEROS, buffer: true, integer: true },
  ];
}

/** Describes the two 1×1 convolutions with bias of a squeeze-and-excitation. */
export function squeeze(reduce: string, expand: string, channels: number, hidden: number): ParamSpec[] {
  return [
    conv(reduce, channels, hidden, 1),
    param(`${reduce}.bias`, [hidden], ZEROS),
    conv(expand, hidden, channels, 1),
    param(`${expand}.bias`, [channels], ZEROS),
  ];
}
