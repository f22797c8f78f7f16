import { executeAsync } from './eager.ts';
import type { TensorFlow } from './tensorflow.ts';
import { checked, type GraphOutput, type Pointer } from './library.ts';
import type { Graph } from './graph.ts';

/** TensorFlow's `AttrValue` of true. */
const TRUE = Uint8Array.of(5 << 3, 1);

let serial = 0;

/** A graph registered with the engine under a name of its own: one call runs it whole. Dispose it after use. */
export class GraphFunction {
  readonly name: string;

  constructor(
    private readonly engine: TensorFlow,
    graph: Graph,
    inputs: readonly GraphOutput[],
    private readonly outputs: readonly GraphOutput[],
    control: readonly Pointer[],
    { inline = true }: { /** May be dissolved into a graph that calls it. */ inline?: boolean } = {},
  ) {
    this.name = `stillhouse_${serial++}`;
    const native = graph.toFunction(this.name, inputs, outputs, control);
    try {
      if (!inline) {
        checked(engine.tf, 'function attribute', (status) =>
          engine.tf.TF_FunctionSetAttrValueProto(native, '_noinline', TRUE, TRUE.length, status),
        );
      }
      checked(engine.tf, `register ${this.name}`, (status) =>
        engine.tf.TFE_ContextAddFunction(engine.context, native, status),
      );
    } finally {
      engine.tf.TF_DeleteFunction(native);
    }
  }

  /** Runs it on a worker thread. The caller owns the returned handles. */
  run(inputs: readonly Pointer[]): Promise<Pointer[]> {
    const { tf, context } = this.engine;
    return executeAsync(tf, context, this.name, [], inputs, this.outputs.length);
  }

  dispose(): void {
    const { tf, context } = this.engine;
    checked(tf, `remove ${this.name}`, (status) => tf.TFE_ContextRemoveFunction(context, this.name, status));
  }
}
