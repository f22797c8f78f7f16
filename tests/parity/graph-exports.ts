import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Engine } from '../../src-main/engines/engine.ts';
import { bytesOf } from '../../src-main/exports/arrays.ts';
import type { Graph, GraphFile } from '../../src-main/exports/graph.ts';
import { writeOnnx } from '../../src-main/exports/onnx-writer.ts';
import { writeSavedModel } from '../../src-main/exports/saved-model-writer.ts';
import { fuse } from '../../src-main/train/metrics.ts';
import { answersOfEngine, contentOf, EXPORTED, exportedNetwork, writeOptions } from '../helpers/exported-networks.ts';

/** Lists the exports of a graph that programs in Python read. */
export function exportsOf(graph: Graph): { variant: string; files: GraphFile[] }[] {
  const onnx = (variant: string, more: Parameters<typeof writeOptions>[0]) => ({
    variant,
    files: writeOnnx(graph, writeOptions(more)),
  });
  return [
    onnx('onnx', {}),
    onnx('onnx-images', { input: 'images' }),
    onnx('onnx-float16', { precision: 'float16' }),
    ...(graph.transformer ? [onnx('onnx-int8', { precision: 'int8' })] : []),
    { variant: 'saved-model', files: writeSavedModel(graph, writeOptions({ input: 'images' })) },
  ];
}

/** Computes one SHA-256 of all files of an export, in order. */
export function hashOf(files: readonly GraphFile[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(contentOf(file));
  return hash.digest('hex');
}

/** Writes every export of every family, with the images and our own answers, for `check-graph-exports.py`. */
export function writeExports(engine: Engine, folder: string): void {
  const list = Object.entries(EXPORTED).flatMap(([family, make]) => {
    const network = exportedNetwork(engine, make());
    const { images, head, headDist } = answersOfEngine(engine, network);
    const { inputSize, inputWidth = inputSize, classes, mean, std } = network.recording.model;
    const put = (name: string, bytes: Uint8Array): void => {
      const path = join(folder, family, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, bytes);
    };
    put('images.bin', bytesOf(images));
    put('logits.bin', bytesOf(headDist ? fuse(head, headDist) : head));
    return exportsOf(network.graph).map(({ variant, files }) => {
      for (const file of files) put(join(variant, file.name), contentOf(file));
      return { family, variant, shape: [3, inputSize, inputWidth, 3], classes, mean, std, sha256: hashOf(files) };
    });
  });
  writeFileSync(join(folder, 'exports.json'), JSON.stringify(list));
}
