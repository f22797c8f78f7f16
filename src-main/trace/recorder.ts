import * as tf from '@tensorflow/tfjs-core';
import { StillhouseError } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
import { DTYPES, type Attr, type DType, type Values } from '../runtime/dtypes.ts';
import type { OpSink, TensorMetadata } from '../runtime/binding.ts';
import type { TensorFlow } from '../runtime/tensorflow.ts';
import { Graph } from '../runtime/graph.ts';
import type { GraphOutput } from '../runtime/library.ts';
import { COMPOSITES } from './composites.ts';
import { nodeBackend } from './ops.ts';
import { inputsOf, type Program, type ProgramNode, type TensorSpec, type ValueRef } from './program.ts';

/** Ids of recorded tensors start here, so that an eager tensor met while recording is recognised. */
const FIRST_ID = 2 ** 40;

/** What records: an engine of any kind. */
interface Recording {
  readonly tensorflow: TensorFlow;
  readonly lacks?: (op: string) => boolean;
}

/** The results of a recorded function. */
export interface Recorded {
  outputs: Record<string, tf.Tensor>;
  /** New values of variables, by name. */
  assigns: Record<string, tf.Tensor>;
}

/**
 * Records the tfjs ops of `body` into a program instead of running them.
 * `body` gets a tensor for each input and variable, may use gradients, and must draw nothing random and read no
 * value: what changes between runs is an input. A `uint8` input appears as a tfjs int32 tensor; convert it with
 * `castTo` (`ops.ts`).
 * @throws Error when an op's shape is unknown, a value is read, or a tensor made before the recording is used;
 * StillhouseError `engine.op` for an op that the engine lacks.
 */
export function record(
  { tensorflow, lacks }: Recording,
  inputs: Record<string, TensorSpec>,
  variables: Record<string, TensorSpec>,
  body: (inputs: Record<string, tf.Tensor>, variables: Record<string, tf.Tensor>) => Recorded,
): Program {
  const { binding } = tensorflow;
  const sink = new RecordingSink(tensorflow, lacks);
  const before = binding.sink;
  binding.sink = sink;
  tf.engine().startScope('record');
  try {
    const open = (op: 'Input' | 'Variable', specs: Record<string, TensorSpec>) =>
      Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, sink.open(op, name, spec)]));
    const result = body(open('Input', inputs), open('Variable', variables));
    const refs = (tensors: Record<string, tf.Tensor>) =>
      Object.entries(tensors).map(
        ([name, tensor]) => [name, sink.ref(nodeBackend().getInputTensorIds([tensor])[0])] as const,
      );
    return {
      nodes: sink.nodes,
      outputs: refs(result.outputs).map(([name, value]) => ({ name, value })),
      assigns: refs(result.assigns).map(([variable, value]) => ({ variable, value })),
    };
  } finally {
    tf.engine().endScope();
    binding.sink = before;
    sink.dispose();
  }
}

/**
 * Records `program`, which was recorded before and has no variables, as one op of the current recording.
 * @param inputs a tensor for each input of the program
 * @param after what has to be computed before it begins
 * @returns its outputs by name
 */
export function callProgram(
  { tensorflow }: Recording,
  program: Program,
  inputs: Record<string, tf.Tensor>,
  after: readonly tf.Tensor[] = [],
) {
  const { sink } = tensorflow.binding;
  if (!(sink instanceof RecordingSink)) throw new Error('callProgram: nothing is being recorded');
  const given = [...inputsOf(program).map(({ name }) => inputs[name]), ...after];
  const results = sink.call(program, nodeBackend().getInputTensorIds(given));
  return Object.fromEntries(
    results.map((result, index) => [program.outputs[index].name, nodeBackend().createOutputTensor(result)]),
  );
}

/** Writes ops down. A scratch TensorFlow graph beside the program infers every shape. */
class RecordingSink implements OpSink {
  readonly recording = true;
  readonly nodes: ProgramNode[] = [];
  private readonly refs: ValueRef[] = [];
  private readonly outputs: GraphOutput[] = [];
  private readonly graph: Graph;

  constructor(
    private readonly engine: TensorFlow,
    private readonly lacks?: (op: string) => boolean,
  ) {
    this.graph = new Graph(engine.tf);
  }

  dispose(): void {
    this.graph.dispose();
  }

  /** A tensor standing for an input or variable. */
  open(op: 'Input' | 'Variable', name: string, spec: TensorSpec): tf.Tensor {
    const node = this.push({ op, name, attrs: [], inputs: [], outputs: [spec] });
    return nodeBackend().createOutputTensor(this.metadata({ node, output: 0 }, this.placeholder(spec)));
  }

  createTensor(shape: number[], dtype: DType, values: Values | Uint8Array[]): number {
    const oper = this.graph.constant(shape, dtype, values);
    const copy = Array.isArray(values) ? [...values] : values.slice();
    const node = this.push({
      op: 'Constant',
      attrs: [],
      inputs: [],
      outputs: [{ shape: [...shape], dtype }],
      values: copy,
    });
    return this.metadata({ node, output: 0 }, { oper, index: 0 }).id;
  }

  deleteTensor(id: number): void {
    if (id < FIRST_ID) this.engine.binding.eager.deleteTensor(id);
  }

  read(id: number): Values | Uint8Array[] {
    const { values, op } = this.nodes[this.ref(id).node];
    if (!values) throw new Error(`record: the value of a recorded tensor (${op}) was read; make it an output`);
    return values;
  }

  executeOp(op: string, attrs: Attr[], inputs: number[], outputCount: number): TensorMetadata[] {
    if (this.lacks?.(op)) throw new StillhouseError('engine.op', { op, reason: reason('engine.no-lowering') });
    if (op in COMPOSITES) return this.composite(op, attrs, inputs);
    const oper = this.graph.add(
      op,
      attrs,
      inputs.map((id) => this.outputs[this.index(id)]),
    );
    const ends = Array.from({ length: outputCount }, (_, index) => ({ oper, index }));
    const specs = ends.map((end) => this.spec(op, end));
    const node = this.push({ op, attrs, inputs: inputs.map((id) => this.ref(id)), outputs: specs });
    return ends.map((end, output) => this.metadata({ node, output }, end));
  }

  private composite(op: string, attrs: Attr[], inputs: number[]): TensorMetadata[] {
    const refs = inputs.map((id) => this.ref(id));
    const specs = COMPOSITES[op].outputs(refs.map((ref) => this.nodes[ref.node].outputs[ref.output]));
    return this.pushOpaque({ op, attrs, inputs: refs, outputs: specs });
  }

  /** A `Call` of a program. */
  call(body: Program, inputs: number[]): TensorMetadata[] {
    const outputs = body.outputs.map(({ value }) => body.nodes[value.node].outputs[value.output]);
    return this.pushOpaque({ op: 'Call', attrs: [], inputs: inputs.map((id) => this.ref(id)), outputs, body });
  }

  /** A node that is no op of TensorFlow. */
  private pushOpaque(opaque: ProgramNode): TensorMetadata[] {
    const node = this.push(opaque);
    return opaque.outputs.map((spec, output) => this.metadata({ node, output }, this.placeholder(spec)));
  }

  private placeholder(spec: TensorSpec): GraphOutput {
    const { TF_ATTR_TYPE, TF_ATTR_SHAPE } = this.engine.binding;
    const attrs = [
      { name: 'dtype', type: TF_ATTR_TYPE, value: DTYPES[spec.dtype].code },
      { name: 'shape', type: TF_ATTR_SHAPE, value: spec.shape },
    ];
    return { oper: this.graph.add('Placeholder', attrs, []), index: 0 };
  }

  /** The value that a recorded tensor's id stands for. */
  ref(id: number): ValueRef {
    return this.refs[this.index(id)];
  }

  private index(id: number): number {
    if (id < FIRST_ID) {
      throw new Error('record: a tensor made before the recording was used; pass it as an input or a variable');
    }
    return id - FIRST_ID;
  }

  private spec(op: string, output: GraphOutput): TensorSpec {
    const { shape, dtype } = this.graph.describe(output);
    if (!shape || shape.includes(-1)) {
      throw new Error(`record: the shape of ${op} is not known before it runs: [${shape ?? '?'}]`);
    }
    return { shape, dtype };
  }

  private push(node: ProgramNode): number {
    this.nodes.push(node);
    return this.nodes.length - 1;
  }

  private metadata(ref: ValueRef, output: GraphOutput): TensorMetadata {
    this.refs.push(ref);
    this.outputs.push(output);
    const { shape, dtype } = this.nodes[ref.node].outputs[ref.output];
    return { id: FIRST_ID + this.refs.length - 1, shape, dtype: DTYPES[dtype].code };
  }
}
