/**
 * A computation graph as far as one has to know how it takes images and what kind of number it answers: operations, how
 * they are joined, and constants of a few numbers. Weights are not in it.
 */
export interface GraphSketch {
  main: GraphScope;
  /** Functions that nodes call, by name; none in ONNX. */
  functions: ReadonlyMap<string, GraphScope>;
}

/** One graph, or the body of one function. */
export interface GraphScope {
  /** Which node makes a tensor, by the tensor's name. */
  makers: Map<string, SketchNode>;
  nodes: SketchNode[];
  /** Of a function: names of its arguments, and the tensors that it returns. */
  args: string[];
  returns: TensorRef[];
}

/** A tensor by the node (TensorFlow) or the name (ONNX) that stands for it, and which output of it. */
export interface TensorRef {
  name: string;
  index: number;
}

export interface SketchNode {
  op: string;
  inputs: TensorRef[];
  outputs: string[];
  /** The function that it calls. */
  calls: string | null;
  /** Numbers of a small constant; null for any other node, and for a constant that was not read. */
  value: number[] | null;
}

/** The operation at the end of a graph. */
export type Closing = 'softmax' | 'log-softmax' | 'sigmoid';

/** The first operation on images: a number for all channels or one for each; `value` null where it is not known. */
export interface Rescaling {
  op: 'add' | 'sub' | 'mul' | 'div';
  value: number[] | null;
}

/** A scope, and the calls that lead to it, innermost first. */
interface Place {
  scope: GraphScope;
  call: SketchNode | null;
  outer: Place | null;
}

/** Changes no number, only its type or place. */
const PASSES =
  /^(Identity|IdentityN|Cast|Reshape|Flatten|Squeeze|Unsqueeze|ExpandDims|Transpose|Dropout|StopGradient)$/;
/** Changes places and edges of an image alone. */
const RESIZES = /^(Resize.*|ReverseV2|StridedSlice|Pad.*|Upsample|ScaleAndTranslate|Clip|ClipByValue|Shape)$/;
const CONSTANT = /^(Const|Constant)$/;
const VARIABLE = /^(ReadVariableOp|VarHandleOp|VariableV2)$/;
const AFFINE: Readonly<Record<string, Rescaling['op']>> = {
  ...{ Add: 'add', AddV2: 'add', BiasAdd: 'add', Sub: 'sub', Mul: 'mul', Div: 'div', RealDiv: 'div' },
};
/** Nodes that are walked over at most: a graph may be a circle. */
const MOST_STEPS = 1000;

/** Finds the operation that makes the numbers of an output; null for any other than softmax, log-softmax or sigmoid. */
export function closingOf(sketch: GraphSketch, output: TensorRef): Closing | null {
  const seen: string[] = [];
  for (const { op } of backwards(sketch, output)) {
    seen.push(op);
    if (!PASSES.test(op) && op !== 'Log') break;
  }
  const [first, ...others] = seen.filter((op) => !PASSES.test(op));
  if (first === 'Softmax') return 'softmax';
  if (first === 'LogSoftmax' || (first === 'Log' && others[0] === 'Softmax')) return 'log-softmax';
  return first === 'Sigmoid' ? 'sigmoid' : null;
}

/** From an output to what it is made of, along first inputs, through functions. */
function* backwards(sketch: GraphSketch, from: TensorRef): Generator<SketchNode, void, undefined> {
  let place: Place | null = { scope: sketch.main, call: null, outer: null };
  let at: TensorRef | undefined = from;
  for (let step = 0; step < MOST_STEPS && place && at; step++) {
    const node = place.scope.makers.get(at.name);
    if (!node) {
      const argument = place.scope.args.indexOf(at.name);
      at = place.call?.inputs[argument];
      place = place.outer;
      continue;
    }
    const called: GraphScope | null = calledBy(sketch, node);
    if (called) {
      at = called.returns[at.index];
      place = { scope: called, call: node, outer: place };
      continue;
    }
    yield node;
    [at] = node.inputs;
  }
}

function calledBy(sketch: GraphSketch, { op, calls }: SketchNode): GraphScope | null {
  if (calls === null || !/^(Stateful)?PartitionedCall$/.test(op)) return sketch.functions.get(op) ?? null;
  return sketch.functions.get(calls) ?? null;
}

/** Finds how a graph scales its input images before any other operation sees them. */
export function rescalingsOf(sketch: GraphSketch, input: TensorRef): Rescaling[] {
  const found: Rescaling[] = [];
  let place: Place = { scope: sketch.main, call: null, outer: null };
  let at = input.name;
  for (let step = 0; step < MOST_STEPS; step++) {
    const users = place.scope.nodes.filter(
      ({ op, inputs }) => op !== 'Shape' && inputs.some(({ name }) => name === at),
    );
    if (users.length !== 1) break;
    const [node] = users;
    const called = calledBy(sketch, node);
    if (called) {
      at = called.args[node.inputs.findIndex(({ name }) => name === at)];
      place = { scope: called, call: node, outer: place };
      continue;
    }
    const change = rescaling(place, node, at);
    if (change) found.push(change);
    else if (!PASSES.test(node.op) && !RESIZES.test(node.op)) break;
    [at] = node.outputs;
  }
  return found;
}

/** A node as a rescaling of a tensor by a constant; null where it is none. */
function rescaling(place: Place, node: SketchNode, images: string): Rescaling | null {
  const op = AFFINE[node.op];
  const others = node.inputs.filter(({ name }) => name !== images);
  if (!op || node.inputs.length !== 2 || others.length !== 1) return null;
  const constant = constantOf(place, others[0]);
  if (!constant) return null;
  // A constant less the images turns them around: what comes of it is not followed.
  const turned = (op === 'sub' || op === 'div') && node.inputs[1].name === images;
  return { op, value: turned ? null : constant.value };
}

/** The constant that a tensor is; null where it depends on something else. */
function constantOf(from: Place, tensor: TensorRef): { value: number[] | null } | null {
  let [place, at]: [Place | null, TensorRef | undefined] = [from, tensor];
  let changed = false;
  for (let step = 0; step < MOST_STEPS && place && at; step++) {
    const node: SketchNode | undefined = place.scope.makers.get(at.name);
    if (!node) {
      const argument = place.scope.args.indexOf(at.name);
      if (argument < 0) return null;
      at = place.call?.inputs[argument];
      place = place.outer;
      continue;
    }
    if (CONSTANT.test(node.op)) return { value: changed ? null : node.value };
    if (VARIABLE.test(node.op)) return { value: null };
    if (!PASSES.test(node.op)) {
      if (!/^(Sqrt|Rsqrt|Maximum|Reciprocal)$/.test(node.op)) return null;
      changed = true;
    }
    [at] = node.inputs;
  }
  return null;
}

/** In which numbers a graph that scales its images wants them. */
export type PixelRange = 'unit' | 'byte' | 'unclear';

/**
 * Derives the range of the input from the first rescalings. A network sees numbers in a range a few units wide, so an
 * input scaled by 1/127.5 lies in [0, 255] and one scaled by 1/0.225 in [0, 1]. Returns null where nothing is rescaled.
 */
export function rangeOf(steps: readonly Rescaling[]): PixelRange | null {
  let [scale, shift] = [[1], [0]];
  for (const [index, { op, value }] of steps.entries()) {
    if (!value || (value.length !== 1 && value.length !== 3)) {
      if (index === 0) return 'unclear';
      break;
    }
    const by = (list: number[], change: (one: number, value: number) => number): number[] =>
      Array.from({ length: Math.max(list.length, value.length) }, (_, at) =>
        change(list[at % list.length], value[at % value.length]),
      );
    if (op === 'add' || op === 'sub') shift = by(shift, (one, other) => (op === 'add' ? one + other : one - other));
    else
      [scale, shift] = [scale, shift].map((list) =>
        by(list, (one, other) => (op === 'mul' ? one * other : one / other)),
      );
  }
  return judge(scale.map(Math.abs), shift.map(Math.abs));
}

function judge(scale: readonly number[], shift: readonly number[]): PixelRange | null {
  const [least, most, moved] = [Math.min(...scale), Math.max(...scale), Math.max(...shift)];
  const plain = least === 1 && most === 1;
  if (plain && moved === 0) return null;
  if (plain && moved > 2) return 'byte';
  if (least >= 0.5 && most <= 20) return 'unit';
  if (255 * least >= 0.5 && 255 * most <= 20) return 'byte';
  return 'unclear';
}
