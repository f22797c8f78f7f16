import type { Graph, GraphFile, WriteOptions } from './graph.ts';

/**
 * Returns what a file says to who uses it: the given facts, and what the graph itself says of network, images and
 * logits. Values that are no text are JSON, as in a safetensors header.
 */
export function graphFacts(graph: Graph, { input, precision, metadata }: WriteOptions): Record<string, string> {
  const { architecture, height, width, classes, mean, std, decides } = graph;
  return {
    ...metadata,
    ...{ producer: 'stillhouse', architecture, num_classes: String(classes) },
    ...{ input_size: JSON.stringify([3, height, width]), mean: JSON.stringify(mean), std: JSON.stringify(std) },
    ...{ input, precision },
    ...(decides && { decides }),
  };
}

/** Makes a file of JSON, for people and programs. */
export function jsonFile(name: string, content: unknown): GraphFile {
  const bytes = Buffer.from(`${JSON.stringify(content, null, 2)}\n`);
  return { name, bytes: bytes.length, chunks: () => [bytes] };
}
