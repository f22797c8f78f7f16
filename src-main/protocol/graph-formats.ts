/** Describes one format that holds what a network computes, and not its weights alone. */
interface GraphFormatRow {
  /** The name, and a note of one sentence. */
  name: string;
  about: string;
  /** Who opens it, for the documentation. */
  readBy: string;
  /** The ending of the file, without the dot; null where the export is a folder. */
  ending: string | null;
  /** The types of number that it may have, the first unless asked otherwise. */
  precisions: readonly ('float32' | 'float16' | 'int8')[];
}

/** Every format of a graph. `exports/graph-writers.ts` writes them; `docs/export-formats.md` follows. */
export const GRAPH_FORMATS = {
  onnx: {
    name: 'ONNX',
    about: 'Opset 17 of standard ops, for any number of images at once; int8 for image transformers.',
    readBy: 'onnxruntime, TensorRT, OpenVINO, transformers.js, Triton',
    ending: 'onnx',
    precisions: ['float32', 'float16', 'int8'],
  },
  'saved-model': {
    name: 'TensorFlow SavedModel',
    about: 'A folder for serving, of constants: it is not trained further. Images as bytes, or normalised.',
    readBy: "tf.saved_model, TensorFlow Serving, Keras' TFSMLayer, LiteRT, OpenVINO, coremltools",
    ending: null,
    precisions: ['float32'],
  },
  tfjs: {
    name: 'TF.js graph model',
    about: 'A folder for web pages that use TF.js; onnxruntime-web runs image transformers many times faster.',
    readBy: 'tf.loadGraphModel of TF.js 4',
    ending: null,
    precisions: ['float32', 'float16'],
  },
} as const satisfies Record<string, GraphFormatRow>;

export type GraphFormat = keyof typeof GRAPH_FORMATS;
