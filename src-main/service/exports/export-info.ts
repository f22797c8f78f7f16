import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import type { ExportInfo } from '../../protocol/export.ts';
import { EXPORT_FORMAT_NAMES, formatOfKind, formatOfPath, isFolderFormat } from '../../protocol/export-formats.ts';
import { checkpointFile } from '../../runs/checkpoint-file.ts';
import { readCheck, stampOf } from '../../runs/export-check-file.ts';
import { exportedFiles } from '../../runs/export-list.ts';
import { readManifest, type Manifest } from '../../runs/export-manifest.ts';
import { isWeightsFormat } from '../../runs/export-writers.ts';
import { checkpointsFolder } from '../../runs/run-folder.ts';
import { openWeights } from '../../weights/open-weights.ts';
import { classCount, weightsOf } from '../../weights/weights.ts';

/** Lists the exports of a run that still exist, newest first. */
export function listExports(run: string): ExportInfo[] {
  const found = exportedFiles(run).map((path) => exportInfo(run, path));
  return found.sort((one, other) => other.time - one.time);
}

/** Lists every file that holds arrays of an export; only the file itself where it cannot be read. */
export function filesOf(path: string): string[] {
  if (readManifest(path)) return [path];
  if (factsBeside(path)) return [path, `${path}.data`, `${path}.json`].filter((file) => existsSync(file));
  try {
    const { files, close } = openWeights(path);
    close();
    return files.map((file) => file.path);
  } catch {
    return [path];
  }
}

/** Reads what an export says of itself, without its arrays. */
export function exportInfo(run: string, path: string): ExportInfo {
  const { bytes: size, modified } = stampOf(path);
  const known = { path, bytes: size, time: modified, check: readCheck(path) };
  const manifest = readManifest(path) ?? factsBeside(path);
  if (manifest) return { ...known, ...wordsOfManifest(run, manifest), error: null };
  const unknown = {
    // The ending speaks for a file that cannot be read.
    format: formatOfPath(path) ?? EXPORT_FORMAT_NAMES[0],
    checkpoint: null,
    epoch: null,
    average: false,
    wrapped: false,
    model: '',
    classes: 0,
    inputSize: 0,
  };
  try {
    const opened = openWeights(path);
    try {
      const bytes = opened.files.reduce((sum, file) => sum + file.bytes, 0);
      return { ...known, bytes, ...wordsOf(run, opened), error: null };
    } finally {
      opened.close();
    }
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    return { ...known, ...unknown, error: toPlainError(error) };
  }
}

type Words = Pick<
  ExportInfo,
  'format' | 'checkpoint' | 'epoch' | 'average' | 'wrapped' | 'model' | 'classes' | 'inputSize' | 'inputWidth'
>;

function wordsOf(run: string, opened: ReturnType<typeof openWeights>): Words {
  const weights = weightsOf(opened);
  const { settings, metadata } = weights;
  const [epoch, step] = [numberOf(metadata.epoch), numberOf(metadata.step)];
  return {
    format: formatOfKind(opened.file.kind),
    checkpoint: checkpointOf(run, epoch, step),
    epoch,
    average: metadata.average === 'true',
    wrapped: opened.file.entry === 'model',
    model: settings.model ?? '',
    classes: classCount(weights),
    inputSize: settings.inputSize ?? 0,
    ...(weights.inputWidth !== undefined && { inputWidth: weights.inputWidth }),
  };
}

/** What lies beside a graph that is a file, or in a page. */
function factsBeside(path: string): Manifest | null {
  const format = formatOfPath(path);
  if (!format || isFolderFormat(format) || isWeightsFormat(format)) return null;
  const given = readJson(`${path}.json`) ?? {};
  const facts = Object.entries(given).map(([key, value]) => [key, typeof value === 'string' ? plain(value) : value]);
  return { format, files: [], facts: Object.fromEntries(facts) as Manifest['facts'] };
}

function readJson(path: string): Record<string, unknown> | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch {
    return null;
  }
}

function plain(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function wordsOfManifest(run: string, { format, facts }: Manifest): Words {
  const [epoch, step] = [numberOf(facts.epoch), numberOf(facts.step)];
  const [, height, width] = ((facts.input_size ?? []) as unknown[]).map(numberOf);
  return {
    ...{ format, checkpoint: checkpointOf(run, epoch, step), epoch, average: facts.average === true, wrapped: false },
    model: typeof facts.architecture === 'string' ? facts.architecture : '',
    classes: numberOf(facts.num_classes) ?? 0,
    inputSize: height ?? 0,
    ...(width !== null && width !== height && { inputWidth: width }),
  };
}

/** The checkpoint of a position, where it is still there. */
function checkpointOf(run: string, epoch: number | null, step: number | null): string | null {
  if (epoch === null || step === null) return null;
  // A mid-epoch checkpoint counts no batch in its name.
  const path = join(checkpointsFolder(run), checkpointFile({ epoch, step, batch: 0, lossSum: 0 }));
  return existsSync(path) ? path : null;
}

function numberOf(text: unknown): number | null {
  const value = Number(text ?? NaN);
  return Number.isSafeInteger(value) && value >= 0 ? value : null;
}
