import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { writeSafetensors } from '../../src-main/formats/safetensors.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import type { PublishedWeights } from '../../src-main/protocol/weight-data.ts';
import { fileServer, type FileServer } from './file-server.ts';
import { parameterValues } from './generated.ts';

/** The network for tests that knows ImageNet's classes, at an address of this machine. */
export interface TinyPublished {
  server: FileServer;
  /** The path of the file on the server, and its whole address. */
  path: string;
  address: string;
  bytes: Uint8Array;
  /** Its row in the table, `test_deit_patch16_32.tiny`. */
  row: PublishedWeights;
}

export const TINY = 'test_deit_patch16_32';

/** Serves weights of a tiny network, and writes the table that lists them, for `STILLHOUSE_WEIGHTS_TABLE`. */
export async function servePublished(table: string): Promise<TinyPublished> {
  const { specs } = createModel(TINY, { classes: 1000, inputSize: 32 });
  const arrays = specs.map((spec) => ({ ...spec, dtype: 'F32' as const, values: () => parameterValues(spec) }));
  const bytes = Buffer.concat([...writeSafetensors(arrays, { format: 'pt' })]);
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 8);
  const path = `/${TINY}-${hash}.safetensors`;
  const server = await fileServer({ [path]: bytes });
  const address = `${server.url}${path}`;
  const row: PublishedWeights = {
    ...{ name: `${TINY}.tiny`, first: true, url: address, hash, hub: null, licence: 'apache-2.0', inputSize: 32 },
    ...{ cropRatio: 0.875, interpolation: 'bicubic', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    ...{ top1: null, top5: null, timmTop1: 12.5, timmTop5: 50 },
  };
  writeFileSync(table, JSON.stringify({ [TINY]: [row] }));
  return { server, path, address, bytes, row };
}
