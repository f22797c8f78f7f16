import { dependencies, version } from '../../package.json';

/** Of Stillhouse, as `1.2.3`. */
export const VERSION: string = version;

/** Of the libraries that run exports here. */
export const RUNTIMES = {
  onnx: `onnxruntime-node ${dependencies['onnxruntime-node']}`,
  tfjs: `TF.js ${dependencies['@tensorflow/tfjs-converter']}`,
} as const;
