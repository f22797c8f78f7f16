import type * as tf from '@tensorflow/tfjs-core';
import type { Model } from '../model/model.ts';
import type { TensorFlow } from '../runtime/tensorflow.ts';
import type { Program, ProgramNode, TensorSpec, ValueRef } from '../trace/program.ts';
import { record } from '../trace/recorder.ts';
import type { Side } from './graph.ts';

/** The inference of a network, recorded with batches of two and of three images: what differs is the batch. */
export interface Recording {
  model: Model;
  two: Program;
  three: Program;
}

/** What records: an engine, whatever computes in it. */
interface Recorder {
  tensorflow: TensorFlow;
}

/** Records the inference of a network. This alone takes an engine: TensorFlow infers the shapes. */
export function recordInference(engine: Recorder, model: Model): Recording {
  const [two, three] = [2, 3].map((batch) => recordBatch(engine, model, batch));
  return { model, two, three };
}

function recordBatch(engine: Recorder, model: Model, batch: number): Program {
  const { inputSize, inputWidth = inputSize } = model;
  const float = 'float32' as const;
  const variables = model.specs.map(({ name, shape }): [string, TensorSpec] => [name, { shape, dtype: float }]);
  const images: TensorSpec = { shape: [batch, inputSize, inputWidth, 3], dtype: float };
  return record(engine, { images }, Object.fromEntries(variables), (inputs, params) => {
    const { head, headDist } = model.predict(params, inputs.images as tf.Tensor4D);
    return { outputs: { head, ...(headDist && { headDist }) }, assigns: {} };
  });
}

/** Reads two recordings as one program without a batch. */
export class BatchFree {
  /** Whether a node depends on parameters alone. */
  private readonly fixed: boolean[] = [];

  constructor(
    readonly program: Program,
    private readonly other: Program,
  ) {
    const same = program.nodes.every((node, at) => node.op === other.nodes[at]?.op);
    if (!same || program.nodes.length !== other.nodes.length) throw new Error('BatchFree: the ops depend on the batch');
    program.nodes.forEach((node, at) => {
      const still = node.outputs.every((_, output) => !this.sides({ node: at, output }).includes(null));
      this.fixed.push(node.op !== 'Input' && still && node.inputs.every((ref) => this.fixed[ref.node]));
    });
  }

  node(ref: ValueRef): ProgramNode {
    return this.program.nodes[ref.node];
  }

  /** Whether a value depends on parameters alone. */
  isFixed(ref: ValueRef): boolean {
    return this.fixed[ref.node];
  }

  /** @throws Error where a side is neither the same in every batch nor the batch itself. */
  shape(ref: ValueRef): Side[] {
    const sides = this.sides(ref);
    const batch = this.recorded(ref)[0];
    if (sides.lastIndexOf(null) > 0 || (sides[0] === null && batch !== 2))
      throw new Error(`BatchFree: the shape of ${this.node(ref).op} is not [batch, …]`);
    return sides;
  }

  /** The shape in the recording of two images. */
  recorded({ node, output }: ValueRef): number[] {
    return this.program.nodes[node].outputs[output].shape;
  }

  attr(ref: ValueRef, name: string): unknown {
    return this.node(ref).attrs.find((one) => one.name === name)?.value;
  }

  private sides({ node, output }: ValueRef): Side[] {
    const theirs = this.other.nodes[node].outputs[output].shape;
    return this.recorded({ node, output }).map((side, axis) => (side === theirs[axis] ? side : null));
  }
}
