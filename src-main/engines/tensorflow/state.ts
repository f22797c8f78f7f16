import { ATTR, DTYPES, type Attr, type DType } from '../../runtime/dtypes.ts';
import { execute } from '../../runtime/eager.ts';
import { requireFit, type State } from '../engine.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { giveBackFree, type Pointer } from '../../runtime/library.ts';
import { fromHandle, toHandle } from '../../runtime/tensors.ts';
import type { IsFrozen } from '../../trace/freeze.ts';
import type { TensorSpec } from '../../trace/program.ts';

interface Variable {
  shape: number[];
  handle: Pointer;
  /** Follows from others: nothing that a run saves. */
  prepared: boolean;
  /** Compiled programs that name it. */
  users: number;
}

let serial = 0;
const typed = (dtype: DType): Attr => ({ name: 'dtype', type: ATTR.type, value: DTYPES[dtype].code });
const FLOAT = typed('float32');

/** Variables as resources of TensorFlow. */
export class TensorFlowState implements State {
  private readonly variables = new Map<string, Variable>();

  constructor(private readonly engine: TensorFlow) {}

  names(): string[] {
    return [...this.variables].filter(([, { prepared }]) => !prepared).map(([name]) => name);
  }

  has(name: string): boolean {
    return this.variables.has(name);
  }

  shape(name: string): number[] {
    return this.variable(name).shape;
  }

  /** The native resource handle, owned here. */
  handle(name: string): Pointer {
    return this.variable(name).handle;
  }

  set(name: string, shape: readonly number[], values: Float32Array): void {
    const existing = this.variables.get(name);
    requireFit(name, existing?.shape, shape, values.length);
    const handle = existing?.handle ?? this.create(name, { shape, dtype: 'float32' }, false);
    const { tf, context } = this.engine;
    const value = toHandle(tf, shape, 'float32', values);
    try {
      execute(tf, context, 'AssignVariableOp', [FLOAT], [handle, value], 0);
    } finally {
      tf.TFE_DeleteTensorHandle(value);
    }
  }

  read(name: string): Float32Array {
    const { tf, context } = this.engine;
    const [value] = execute(tf, context, 'ReadVariableOp', [FLOAT], [this.handle(name)], 1);
    try {
      return fromHandle(tf, value) as Float32Array;
    } finally {
      tf.TFE_DeleteTensorHandle(value);
    }
  }

  trim(isFrozen: IsFrozen): void {
    const unread = [...this.variables].filter(([name, one]) => one.users === 0 && (one.prepared || isFrozen(name)));
    for (const [name] of unread) this.free(name);
    giveBackFree(this.engine.tf);
  }

  /** Holds variables for a compiled program. @returns what lets them go. */
  use(names: readonly string[]): () => void {
    const used = names.map((name) => this.variable(name));
    for (const one of used) one.users++;
    return () => {
      for (const one of used.splice(0)) one.users--;
    };
  }

  dispose(): void {
    for (const name of [...this.variables.keys()]) this.free(name);
  }

  private free(name: string): void {
    const { tf, context } = this.engine;
    const { handle } = this.variable(name);
    execute(tf, context, 'DestroyResourceOp', [], [handle], 0);
    tf.TFE_DeleteTensorHandle(handle);
    this.variables.delete(name);
  }

  /** Makes room for a variable that a program computes from others. */
  prepare(name: string, spec: TensorSpec): void {
    this.create(name, spec, true);
  }

  private create(
    name: string,
    { shape, dtype }: { shape: readonly number[]; dtype: DType },
    prepared: boolean,
  ): Pointer {
    const { tf, context } = this.engine;
    const attrs: Attr[] = [
      typed(dtype),
      { name: 'shape', type: ATTR.shape, value: [...shape] },
      { name: 'shared_name', type: ATTR.string, value: `stillhouse_${serial++}_${name}` },
    ];
    const [handle] = execute(tf, context, 'VarHandleOp', attrs, [], 1);
    this.variables.set(name, { shape: [...shape], handle, prepared, users: 0 });
    return handle;
  }

  private variable(name: string): Variable {
    const variable = this.variables.get(name);
    if (!variable) throw new RangeError(`State: there is no variable ${name}`);
    return variable;
  }
}
