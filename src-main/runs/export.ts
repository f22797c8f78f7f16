import { basename, dirname, join, resolve } from 'node:path';
import { textFile, writeFilesAtomic, writeFolderAtomic, type FileToWrite } from '../base/folder.ts';
import { divideShards, shardIndexText } from '../formats/shards.ts';
import { StillhouseError } from '../protocol/errors.ts';
import {
  EXPORT_FORMATS,
  formatOfPath,
  isFolderFormat,
  nameEnd,
  type ExportFormat,
} from '../protocol/export-formats.ts';
import { openCheckpoint, type Checkpoint } from './checkpoint-file.ts';
import { isOwnFolder, withManifest } from './export-manifest.ts';
import { describeNetwork, networkOfCheckpoint, type CheckpointWish, type NetworkToWrite } from './export-network.ts';
import {
  FILE_WRITERS,
  FOLDER_WRITERS,
  type FileFormat,
  type FolderFormat,
  type WeightsFormat,
} from './export-writers.ts';
import { checkpointsFolder, exportsFolder } from './run-folder.ts';

/** Networks for others, without optimizer, with what using them takes. */

/** The written file or folder: of several files their index, and the bytes of all. */
export interface Exported {
  path: string;
  bytes: number;
}

/** Bytes of arrays beyond which an export is divided over several files, as Hugging Face's was for long. */
const SHARD_BYTES = 5e9;

/** Parameters of the export call; `output` defaults to a name of model and epoch in the run's `exports`. */
export interface ExportRequest extends CheckpointWish {
  /** File name inside the run's checkpoints. */
  checkpoint: string;
  format: WeightsFormat;
  output?: string;
}

/**
 * Exports a checkpoint of a run.
 * @throws StillhouseError `file.missing`, `weights.format`, `export.ending`, `disk.full`, `disk.denied`
 */
export async function exportCheckpoint(run: string, request: ExportRequest): Promise<Exported> {
  const { checkpoint, format, output, average } = request;
  const path = join(checkpointsFolder(run), basename(checkpoint));
  return exportFile(path, format, output ?? ((opened) => defaultOutput(run, opened, request)), { average });
}

function defaultOutput(run: string, { recipe, position }: Checkpoint, { format, average }: ExportRequest): string {
  const epoch = String(position.epoch).padStart(4, '0');
  return join(exportsFolder(run), `${recipe.model}-epoch-${epoch}${average ? '-average' : ''}${nameEnd(format)}`);
}

/** Says how to write a network. */
export interface WriteOptions {
  /** Bytes of arrays beyond which they are divided over several files. */
  shardBytes?: number;
  /** Hears of the bytes of each piece before it is written; what it throws ends the writing. */
  onBytes?(bytes: number): void;
}

/**
 * Exports any checkpoint file, as {@link writeNetwork} writes.
 * @throws StillhouseError as {@link exportCheckpoint}
 */
export async function exportFile(
  path: string,
  format: WeightsFormat,
  output: string | ((checkpoint: Checkpoint) => string),
  options: WriteOptions & CheckpointWish = {},
): Promise<Exported> {
  const checkpoint = openCheckpoint(path);
  try {
    const network = networkOfCheckpoint(checkpoint, options);
    return await writeNetwork(network, format, typeof output === 'string' ? output : output(checkpoint), options);
  } finally {
    checkpoint.close();
  }
}

/**
 * Writes a network for others. An existing file is replaced when the new one is whole, and so is a folder that an
 * export has made.
 * @throws StillhouseError `export.ending`, `export.network`, `disk.full`, `disk.denied`
 */
export async function writeNetwork(
  network: NetworkToWrite,
  format: WeightsFormat,
  output: string,
  options: WriteOptions = {},
): Promise<Exported> {
  const target = exportTarget(output, format);
  if (!isFolderFormat(format)) return writeFiles(network, format as FileFormat, target, options);
  const files = withManifest(format, FOLDER_WRITERS[format as FolderFormat](network), describeNetwork(network));
  return writeExportFolder(target, files, options);
}

/** Resolves the path of an export. @throws StillhouseError `export.ending` for a name of another format */
export function exportTarget(output: string, format: ExportFormat): string {
  const path = resolve(output);
  if ((formatOfPath(path) ?? format) !== format) throw new StillhouseError('export.ending', { path, format });
  return path;
}

/**
 * Writes the files of an export of which the first is the one that others open: all of them, or none.
 * @throws StillhouseError `disk.*`
 */
export async function writeExportFiles(
  path: string,
  files: readonly FileToWrite[],
  { onBytes }: WriteOptions = {},
): Promise<Exported> {
  return { path, ...(await writeFilesAtomic(dirname(path), watched(files, onBytes))) };
}

/** Writes the folder of an export. @throws StillhouseError `disk.*` */
export async function writeExportFolder(
  path: string,
  files: readonly FileToWrite[],
  { onBytes }: WriteOptions = {},
): Promise<Exported> {
  return { path, ...(await writeFolderAtomic(path, watched(files, onBytes), isOwnFolder)) };
}

function watched(files: readonly FileToWrite[], onBytes: WriteOptions['onBytes']): FileToWrite[] {
  return files.map((file) => ({ ...file, chunks: () => heard(file.chunks(), onBytes) }));
}

/** Arrays of more than `shardBytes` together go to several files, and an index of them to `output`.index.json. */
async function writeFiles(
  network: NetworkToWrite,
  format: FileFormat,
  target: string,
  { shardBytes = SHARD_BYTES, onBytes }: WriteOptions,
): Promise<Exported> {
  const shards = divideShards(network.arrays, basename(target), shardBytes);
  const average = shards.length === 1 && EXPORT_FORMATS[format].holdsAverage ? network.beside : undefined;
  const files = shards.map(({ file: name, arrays }): FileToWrite => {
    const { bytes, chunks } = FILE_WRITERS[format](arrays, describeNetwork(network), average);
    return { name, bytes, chunks: () => chunks };
  });
  if (shards.length === 1) return writeExportFiles(target, files, { onBytes });
  const index = textFile(`${basename(target)}.index.json`, shardIndexText(shards));
  const { bytes } = await writeExportFiles(target, [index, ...files], { onBytes });
  return { path: `${target}.index.json`, bytes: bytes - index.bytes };
}

function* heard(chunks: Iterable<Uint8Array>, onBytes: WriteOptions['onBytes']): Generator<Uint8Array> {
  for (const chunk of chunks) {
    onBytes?.(chunk.length);
    yield chunk;
  }
}
