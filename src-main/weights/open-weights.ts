import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { joinShards, readShardIndex } from '../formats/shards.ts';
import { openWeightFile, type WeightFile } from '../formats/weight-file.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { bestCheckpoint, latestCheckpoint } from '../runs/checkpoint.ts';
import { openFile, type FileSource } from '../runs/file-source.ts';
import { checkpointsFolder } from '../runs/run-folder.ts';

/** Weights on disk, opened; whoever opened them closes them. */
export interface OpenedWeights {
  /** The file that was meant: of a folder, the one in it. */
  path: string;
  file: WeightFile;
  /** Every file that holds arrays, with its bytes: several where `path` is an index. */
  files: { path: string; bytes: number }[];
  close(): void;
}

/** Files in which a folder of Hugging Face holds its weights: the first of these that is there. */
const IN_FOLDER = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
];

/**
 * Opens a weight file or checkpoint, an index of shards, a folder of Hugging Face, or a run folder's best checkpoint.
 * @param options.entry the state dict to take from a torch file that holds several.
 * @throws StillhouseError `file.missing`, `file.unreadable`, `run.no-checkpoint`, `weights.format`, `weights.hostile`
 */
export function openWeights(path: string, options: { entry?: string } = {}): OpenedWeights {
  const main = weightFileOf(path);
  const sources: FileSource[] = [];
  const close = (): void => sources.forEach((source) => source.close());
  const open = (path: string): FileSource => {
    const source = openFile(path);
    sources.push(source);
    return source;
  };
  try {
    if (!main.endsWith('.index.json')) {
      const source = open(main);
      const file = openEntry(source, main, options);
      return { path: main, file, files: [{ path: main, bytes: source.size }], close };
    }
    const files: OpenedWeights['files'] = [];
    const openShard = (name: string): WeightFile => {
      const shard = join(dirname(main), name);
      const source = open(shard);
      files.push({ path: shard, bytes: source.size });
      return openEntry(source, shard, options);
    };
    const file = joinShards(readShardIndex(open(main), main), openShard, main);
    return { path: main, file, files, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The state dict of a name; where there is none, the usual one, of which the name may be the beginning of arrays. */
function openEntry(source: FileSource, path: string, options: { entry?: string }): WeightFile {
  try {
    return openWeightFile(source, path, options);
  } catch (error) {
    if (!options.entry || !(error instanceof StillhouseError && error.code === 'weights.entry')) throw error;
    const usual = openWeightFile(source, path);
    const begins = [...usual.tensors.keys()].some((name) => name.startsWith(`${options.entry}.`));
    if (begins) return usual;
    throw error;
  }
}

/**
 * Finds the weight file that a path means: for a run its best checkpoint.
 * @throws StillhouseError `run.no-checkpoint`
 */
export function weightFileOf(path: string): string {
  if (existsSync(join(path, 'run.json'))) {
    const info = bestCheckpoint(path) ?? latestCheckpoint(path);
    if (!info) throw new StillhouseError('run.no-checkpoint', { path });
    return join(checkpointsFolder(path), info.file);
  }
  const inside = IN_FOLDER.find((name) => existsSync(join(path, name)));
  return inside ? join(path, inside) : path;
}
