import { setAttr } from './attrs.ts';
import { ATTR, DTYPES, dtypeOf, type Attr, type DType, type Values } from './dtypes.ts';
import { checked, throwIfBad, type GraphOutput, type Pointer, type Tf } from './library.ts';
import { toTensor } from './tensors.ts';

/** Ops whose inputs hold one list: how many single inputs stand before and after it; `empty`: another, empty list follows. */
const LIST_INPUTS: Record<string, { before: number; after: number; empty?: true }> = {
  ConcatV2: { before: 0, after: 1 },
  Pack: { before: 0, after: 0 },
  AddN: { before: 0, after: 0 },
  IdentityN: { before: 0, after: 0 },
  Merge: { before: 0, after: 0 },
  PartitionedCall: { before: 0, after: 0 },
  StatefulPartitionedCall: { before: 0, after: 0 },
  CollectiveReduceV2: { before: 4, after: 0 },
  _FusedMatMul: { before: 2, after: 0 },
  _MklNativeFusedConv2D: { before: 2, after: 0, empty: true },
  _MklNativeFusedDepthwiseConv2dNative: { before: 2, after: 0 },
};

/** A TensorFlow graph under construction. Dispose it; functions made from it live on. */
export class Graph {
  private readonly graph: Pointer;
  private count = 0;

  constructor(private readonly tf: Tf) {
    this.graph = tf.TF_NewGraph();
  }

  dispose(): void {
    this.tf.TF_DeleteGraph(this.graph);
  }

  /**
   * Adds an operation. Attributes that TensorFlow infers from the inputs of a list (`N`) are left out.
   * @throws StillhouseError `engine.op` when TensorFlow refuses it.
   */
  add(op: string, attrs: readonly Attr[], inputs: readonly GraphOutput[], control: readonly Pointer[] = []): Pointer {
    return checked(this.tf, op, (status) => {
      const description: Pointer = this.tf.TF_NewOperation(this.graph, op, `n${this.count++}`);
      this.addInputs(description, op, inputs);
      for (const operation of control) this.tf.TF_AddControlInput(description, operation);
      for (const attr of attrs) {
        if (['N', 'num_args'].includes(attr.name) && op in LIST_INPUTS && !LIST_INPUTS[op].empty) continue;
        setAttr(this.tf, 'graph', description, attr, status);
      }
      return this.tf.TF_FinishOperation(description, status);
    });
  }

  private addInputs(description: Pointer, op: string, inputs: readonly GraphOutput[]): void {
    const list = LIST_INPUTS[op];
    const before = list ? list.before : inputs.length;
    const end = list ? inputs.length - list.after : inputs.length;
    for (const input of inputs.slice(0, before)) this.tf.TF_AddInput(description, input);
    if (list) this.tf.TF_AddInputList(description, inputs.slice(before, end), end - before);
    for (const input of inputs.slice(end)) this.tf.TF_AddInput(description, input);
    if (list?.empty) this.tf.TF_AddInputList(description, [], 0);
  }

  /** A `Const` holding a copy of `values`. */
  constant(shape: readonly number[], dtype: DType, values: Values | Uint8Array[]): Pointer {
    return checked(this.tf, 'Const', (status) => {
      const tensor = toTensor(this.tf, shape, dtype, values);
      try {
        const description: Pointer = this.tf.TF_NewOperation(this.graph, 'Const', `n${this.count++}`);
        this.tf.TF_SetAttrTensor(description, 'value', tensor, status);
        throwIfBad(this.tf, 'Const', status);
        setAttr(this.tf, 'graph', description, { name: 'dtype', type: ATTR.type, value: DTYPES[dtype].code }, status);
        return this.tf.TF_FinishOperation(description, status);
      } finally {
        this.tf.TF_DeleteTensor(tensor);
      }
    });
  }

  /** Shape by TensorFlow's own inference (−1: unknown dimension; null: unknown rank) and type of an output. */
  describe(output: GraphOutput): { shape: number[] | null; dtype: DType } {
    return checked(this.tf, 'shape inference', (status) => {
      const dtype = dtypeOf(this.tf.TF_OperationOutputType(output));
      const rank: number = this.tf.TF_GraphGetTensorNumDims(this.graph, output, status);
      if (rank < 0) return { shape: null, dtype };
      const dims = new BigInt64Array(Math.max(rank, 1));
      this.tf.TF_GraphGetTensorShape(this.graph, output, dims, rank, status);
      return { shape: Array.from(dims.subarray(0, rank), Number), dtype };
    });
  }

  /** A function of the whole graph. The caller deletes it after registering. */
  toFunction(
    name: string,
    inputs: readonly GraphOutput[],
    outputs: readonly GraphOutput[],
    control: readonly Pointer[],
  ): Pointer {
    const controlList = BigUint64Array.from(control.length ? control : [0n]);
    return checked(this.tf, `function ${name}`, (status) =>
      this.tf.TF_GraphToFunctionWithControlOutputs(
        this.graph,
        name,
        0,
        -1,
        null,
        inputs.length,
        inputs,
        outputs.length,
        outputs,
        null,
        control.length,
        controlList,
        null,
        null,
        null,
        status,
      ),
    );
  }
}
