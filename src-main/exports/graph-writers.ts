import type { GraphFormat } from '../protocol/graph-formats.ts';
import type { GraphWriter } from './graph.ts';
import { writeOnnx } from './onnx-writer.ts';
import { writeSavedModel } from './saved-model-writer.ts';
import { writeTfjs } from './tfjs-writer.ts';

/** Writes each format of `protocol/graph-formats.ts`. */
export const GRAPH_WRITERS: Readonly<Record<GraphFormat, GraphWriter>> = {
  onnx: writeOnnx,
  'saved-model': writeSavedModel,
  tfjs: writeTfjs,
};
