import type { Graph } from '../../runtime/graph.ts';
import { ATTR, DTYPES } from '../../runtime/dtypes.ts';
import type { GraphOutput, Pointer } from '../../runtime/library.ts';

const BOOL = DTYPES.bool.code;

/**
 * Has the calls of one function wait for its first call, in the first run alone. TensorFlow makes a function ready when
 * it is first called, and again for each call that comes meanwhile: every lane would have kernels of its own, with the
 * weights that these keep in oneDNN's order.
 */
export class FirstRun {
  /** Whether a run is the first: an argument of the graph. */
  readonly isFirst: GraphOutput;
  private readonly gates = new Map<string, Pointer>();

  constructor(private readonly graph: Graph) {
    const shape = { name: 'shape', type: ATTR.shape, value: [] };
    this.isFirst = { oper: graph.add('Placeholder', [{ name: 'dtype', type: ATTR.type, value: BOOL }, shape], []), index: 0 }; // prettier-ignore
  }

  /** Lists what another call of a function waits for; nothing for its first call. */
  before(body: string): Pointer[] {
    const gate = this.gates.get(body);
    return gate ? [gate] : [];
  }

  /** Takes the first call of a function. */
  lead(body: string, call: Pointer): void {
    if (this.gates.has(body)) return;
    const type = { name: 'T', type: ATTR.type, value: BOOL };
    const { graph, isFirst } = this;
    const either = graph.add('Switch', [type], [isFirst, isFirst]);
    const later = graph.add('Identity', [type], [{ oper: either, index: 0 }]);
    const first = graph.add('Identity', [type], [{ oper: either, index: 1 }], [call]);
    const ends = [later, first].map((oper) => ({ oper, index: 0 }));
    this.gates.set(body, graph.add('Merge', [type], ends));
  }
}
