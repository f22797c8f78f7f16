/**
 * The inference of a network as a plain value, free of its batch and with everything computed that depends on
 * parameters alone: what every format of a graph is written from. Letters: B images, H × W pixels, C channels, N tokens,
 * D width, K classes. Images are channels-last here, weights in torch's layouts and under timm's names.
 */

/** A side of a shape; null is the batch, always the first. */
export type Side = number | null;

/** A parameter, or what is computed from parameters alone. It is made when it is asked for, and not kept. */
export interface Weight {
  /** timm's name; of a folded bias, that of its convolution. */
  name: string;
  shape: number[];
  values(): Float32Array;
}

/** Pixels added on the top, left, bottom and right. */
export type Pads = [top: number, left: number, bottom: number, right: number];

/** Names the function that a node computes. Those without a word are the functions of that name, on each number. */
export type GraphOp =
  /** Images [B, H, W, 3], as the graph's input says. */
  | { op: 'Input' }
  /** A convolution whose stride is its kernel [D, 3, p, p], as [B, N, D], row by row. */
  | { op: 'PatchEmbed'; weight: Weight; bias: Weight }
  /** Puts the first `count` rows of `table` [1, N, D] before the patches and adds the other rows to them. */
  | { op: 'Tokens'; count: number; table: Weight }
  | { op: 'LayerNorm'; weight: Weight; bias: Weight; eps: number }
  /** x · weightᵀ + bias on the last axis; weight [out, in]. */
  | { op: 'Linear'; weight: Weight; bias: Weight }
  /** `same`: the pads are TensorFlow's of that name. */
  | { op: 'Conv'; weight: Weight; bias: Weight; stride: [number, number]; pads: Pads; same: boolean; groups: number }
  /** Numbers of at least 0 alone: the border may be of zeros. */
  | { op: 'MaxPool'; size: [number, number]; stride: [number, number]; pads: Pads }
  /** Means over height and width: [B, C]. */
  | { op: 'GlobalMean' }
  | { op: 'Gelu' | 'Relu' | 'Relu6' | 'Sigmoid' | 'Log' }
  /** Over the last axis. */
  | { op: 'Softmax' }
  | { op: 'Add' | 'Mul' }
  /** Multiplies by a constant: a number, or one for each place of the last axis. */
  | { op: 'Scale'; by: Weight }
  /** Multiplies the channels of images by a gate [B, C]. */
  | { op: 'Gate' }
  /** Takes a part; the axes that are cut begin at `begin`. */
  | { op: 'Slice'; begin: number[] }
  | { op: 'Reshape' }
  | { op: 'Transpose'; order: number[] }
  /** Of the last two axes. */
  | { op: 'MatMul'; transposeB: boolean }
  /** Takes one row of axis 1: [B, N, D] → [B, D]. */
  | { op: 'Pick'; index: number };

export type GraphNode = GraphOp & {
  /** Numbers of the nodes before it. */
  inputs: number[];
  shape: Side[];
};

/**
 * Says how images come in: `pixel_values` normalised float32, or `images` uint8 RGB [B, H, W, 3], normalised inside.
 */
export type GraphInput = 'pixel_values' | 'images';

/** Names the heads that decide in a network with two, as the recipe's `evalHeads`. */
export type GraphHeads = 'mean' | 'softmax' | 'class' | 'distillation';

export interface GraphOptions {
  /** Which logits are `logits` in a network with two heads. */
  heads: GraphHeads;
  /** Leave out the logits of either head as further outputs. */
  logitsAlone?: boolean;
}

export interface Graph {
  /** timm's name of the network. */
  architecture: string;
  /** A transformer; else a convolutional network. */
  transformer: boolean;
  height: number;
  width: number;
  classes: number;
  mean: number[];
  std: number[];
  /** In an order in which each comes after its inputs. */
  nodes: GraphNode[];
  /** What `logits` are in a network with two heads; null for one. */
  decides: GraphHeads | null;
  /** The nodes of the heads' logits, after which only what decides is computed. */
  heads: number[];
  /** `logits` first; of a network with two heads also `cls_logits` and `distillation_logits`. All [B, K]. */
  outputs: { name: string; node: number }[];
}

/** The type of a file's numbers. `int8`: products of whole numbers, their scales found while it runs. */
export type GraphPrecision = 'float32' | 'float16' | 'int8';

export interface WriteOptions {
  precision: GraphPrecision;
  input: GraphInput;
  /**
   * Facts for who uses the file, by the words of a safetensors header, such as `classes` in JSON; what the graph says
   * itself is added.
   */
  metadata: Record<string, string>;
  /** Name of an ONNX file without its ending; folders have none. */
  name?: string;
  /** Bytes of weights beyond which an ONNX file keeps them in a second one. */
  externalBytes?: number;
}

/** A file of an export. */
export interface GraphFile {
  /** Its name; in a folder its path there, with `/`. */
  name: string;
  bytes: number;
  /** Its bytes in pieces, made when their turn comes. */
  chunks(): Iterable<Uint8Array>;
}

/** Writes one format: the file that others open comes first. */
export type GraphWriter = (graph: Graph, options: WriteOptions) => GraphFile[];
