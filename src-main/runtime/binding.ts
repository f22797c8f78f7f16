import type { Attr, DType, Values } from './dtypes.ts';
import { ATTR, DTYPES, dtypeOf } from './dtypes.ts';
import { execute } from './eager.ts';
import type { Pointer, Tf } from './library.ts';
import { describeHandle, fromHandle, toHandle } from './tensors.ts';

/** Facts that tfjs-node's kernels learn about the result of an op. */
export interface TensorMetadata {
  id: number;
  shape: number[];
  dtype: number;
}

/** Takes the ops of tfjs-node's kernels: to TensorFlow at once, or into a program being recorded. */
export interface OpSink {
  /** Whether ops are written down and not run. */
  readonly recording: boolean;
  createTensor(shape: number[], dtype: DType, values: Values | Uint8Array[]): number;
  deleteTensor(id: number): void;
  read(id: number): Values | Uint8Array[];
  executeOp(op: string, attrs: Attr[], inputs: number[], outputCount: number): TensorMetadata[];
}

/** Runs every op at once. Ids name eager handles, which this object owns. */
export class EagerSink implements OpSink {
  readonly recording = false;
  private readonly handles = new Map<number, Pointer>();
  private next = 1;

  constructor(
    private readonly tf: Tf,
    private readonly context: Pointer,
  ) {}

  /** Number of handles alive. */
  get size(): number {
    return this.handles.size;
  }

  createTensor(shape: number[], dtype: DType, values: Values | Uint8Array[]): number {
    return this.adopt(toHandle(this.tf, shape, dtype, values));
  }

  /** Takes ownership of a handle. @returns its id. */
  adopt(handle: Pointer): number {
    this.handles.set(this.next, handle);
    return this.next++;
  }

  /** The handle of an id, still owned here. */
  handle(id: number): Pointer {
    const handle = this.handles.get(id);
    if (handle === undefined) throw new RangeError(`EagerSink: there is no tensor ${id}`);
    return handle;
  }

  deleteTensor(id: number): void {
    const handle = this.handles.get(id);
    if (handle !== undefined) this.tf.TFE_DeleteTensorHandle(handle);
    this.handles.delete(id);
  }

  read(id: number): Values | Uint8Array[] {
    return fromHandle(this.tf, this.handle(id));
  }

  executeOp(op: string, attrs: Attr[], inputs: number[], outputCount: number): TensorMetadata[] {
    const handles = inputs.map((id) => this.handle(id));
    return execute(this.tf, this.context, op, attrs, handles, outputCount).map((handle) => {
      const { shape, dtype } = describeHandle(this.tf, handle);
      return { id: this.adopt(handle), shape, dtype: DTYPES[dtype].code };
    });
  }
}

/**
 * The `TFJSBinding` that tfjs-node's kernels expect (its own is a C++ addon), over whatever sink is current.
 * Saved models are not offered through it.
 */
export class Binding {
  readonly TF_FLOAT = DTYPES.float32.code;
  readonly TF_INT32 = DTYPES.int32.code;
  readonly TF_INT64 = DTYPES.int64.code;
  readonly TF_BOOL = DTYPES.bool.code;
  readonly TF_COMPLEX64 = DTYPES.complex64.code;
  readonly TF_STRING = DTYPES.string.code;
  readonly TF_RESOURCE = DTYPES.resource.code;
  readonly TF_UINT8 = DTYPES.uint8.code;
  readonly TF_ATTR_STRING = ATTR.string;
  readonly TF_ATTR_INT = ATTR.int;
  readonly TF_ATTR_FLOAT = ATTR.float;
  readonly TF_ATTR_BOOL = ATTR.bool;
  readonly TF_ATTR_TYPE = ATTR.type;
  readonly TF_ATTR_SHAPE = ATTR.shape;
  readonly TF_ATTR_RESOURCE = ATTR.tensor;

  constructor(
    readonly eager: EagerSink,
    readonly TF_Version: string,
  ) {
    this.sink = eager;
  }

  /** The current sink. Set by the recorder for the time of a recording. */
  sink: OpSink;

  createTensor(shape: number[], dtype: number, values: Values | Uint8Array[] | number[]): number {
    const type = dtypeOf(dtype);
    return this.sink.createTensor(shape, type, exactValues(type, values));
  }

  deleteTensor(id: number): void {
    this.sink.deleteTensor(id);
  }

  tensorDataSync(id: number): Values | Uint8Array[] {
    return this.sink.read(id);
  }

  executeOp(op: string, attrs: Attr[], inputs: number[], outputCount: number): TensorMetadata[] {
    return this.sink.executeOp(op, attrs, inputs, outputCount);
  }

  getNumOfTensors(): number {
    return this.eager.size;
  }

  isUsingGpuDevice(): boolean {
    return false;
  }
}

/** tfjs hands plain arrays and wider types now and then; TensorFlow copies raw bytes, so the type must be exact. */
function exactValues(dtype: DType, values: Values | Uint8Array[] | number[]): Values | Uint8Array[] {
  if (dtype === 'string') return values as Uint8Array[];
  if (dtype === 'float32' && !(values instanceof Float32Array)) return Float32Array.from(values as number[]);
  if (dtype === 'int32' && !(values instanceof Int32Array)) return Int32Array.from(values as number[]);
  if (dtype === 'bool' && !(values instanceof Uint8Array)) return Uint8Array.from(values as number[]);
  // Int64Scalar keeps a 64-bit number as two 32-bit halves.
  if (dtype === 'int64' && values instanceof Int32Array) return new BigInt64Array(values.slice().buffer);
  return values as Values;
}
