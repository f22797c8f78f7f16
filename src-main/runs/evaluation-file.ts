import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ArrayToWrite } from '../formats/named-array.ts';
import { readSafetensors, safetensorsBytes, writeSafetensors } from '../formats/safetensors.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { ANSWERING, type EvaluationFacts } from '../protocol/evaluation.ts';
import type { Answered, Answers } from '../train/answers.ts';
import { namesIn, requireFolder, writeChunksAtomic, writeFileAtomic } from '../base/files.ts';
import { removeNow } from '../base/moves.ts';
import { latestCheckpoint } from './checkpoint.ts';
import { openFile } from './file-source.ts';
import { parseOwnJson } from './own-json.ts';

/**
 * An evaluation on disk: `<id>.json`, the facts, and `<id>.safetensors`, every image's answers: `labels` [n] and of
 * each head `<head>.top` [n, k], `<head>.probability` [n, k], `<head>.loss` [n] and `<head>.rank` [n]; its metadata has the
 * names of `files` and `classes` as JSON. Those of a run are in its folder `evaluations`.
 */

/** Returns the folder of a run's evaluations. */
export function evaluationsFolder(run: string): string {
  return join(run, 'evaluations');
}

/** Answers as they are read back. */
export interface KeptAnswers extends Answered {
  classes: string[];
}

/**
 * Writes both files; the facts come last, so that what is listed is whole.
 * @throws StillhouseError `disk.full`, `disk.denied`
 */
export async function writeEvaluation(folder: string, facts: EvaluationFacts, answers: KeptAnswers): Promise<void> {
  const path = join(folder, `${facts.id}.safetensors`);
  requireFolder(dirname(path), folder);
  const { files, classes } = answers;
  const metadata = { files: JSON.stringify(files), classes: JSON.stringify(classes) };
  const arrays = arraysOf(answers);
  await writeChunksAtomic(path, writeSafetensors(arrays, metadata), safetensorsBytes(arrays, metadata));
  writeFileAtomic(join(folder, `${facts.id}.json`), `${JSON.stringify(facts, null, 2)}\n`);
}

function arraysOf({ labels, kept, heads }: Answered): ArrayToWrite[] {
  const count = labels.length;
  const whole = (name: string, shape: number[], values: Int32Array): ArrayToWrite => {
    return { name, shape, dtype: 'I32', values: Float32Array.from(values) };
  };
  const ofHead = ([head, { top, probability, loss, rank }]: [string, Answers]): ArrayToWrite[] => [
    whole(`${head}.top`, [count, kept], top),
    { name: `${head}.probability`, shape: [count, kept], dtype: 'F32', values: probability },
    { name: `${head}.loss`, shape: [count], dtype: 'F32', values: loss },
    whole(`${head}.rank`, [count], rank),
  ];
  return [whole('labels', [count], labels), ...[...heads].flatMap(ofHead)];
}

/** Lists the evaluations in a folder, newest first, and passes over anything else. */
export function listEvaluations(folder: string): EvaluationFacts[] {
  const changed = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const known = listed.get(folder);
  if (known?.changed === changed) return known.facts;
  const facts = factsIn(folder);
  // A folder that changes again within the tick of its clock keeps its time.
  if (Date.now() - changed > SETTLED) listed.set(folder, { changed, facts });
  return facts;
}

/** Lists the evaluations of a run's last checkpoint on its validation images, the newest first. */
export function lastEvaluations(run: string): EvaluationFacts[] {
  const last = latestCheckpoint(run)?.file;
  return listEvaluations(evaluationsFolder(run)).filter(
    ({ checkpoint, images, average }) => checkpoint === last && images === 'val' && !average,
  );
}

/** What was read of a folder, by the time of its last change; facts are never changed in place. */
const listed = new Map<string, { changed: number; facts: EvaluationFacts[] }>();
/** Milliseconds. */
const SETTLED = 1000;

function factsIn(folder: string): EvaluationFacts[] {
  const found = namesIn(folder)
    .filter((name) => /^[\w-]+\.json$/.test(name))
    .flatMap((name) => factsOf(join(folder, name)) ?? []);
  return found.sort((a, b) => b.time - a.time);
}

function factsOf(path: string): EvaluationFacts | null {
  try {
    const facts = parseOwnJson(readFileSync(path, 'utf8')) as Partial<EvaluationFacts>;
    const whole = typeof facts.time === 'number' && typeof facts.model === 'string' && Array.isArray(facts.heads);
    return whole && path.endsWith(`${facts.id}.json`) ? (facts as EvaluationFacts) : null;
  } catch {
    return null;
  }
}

/**
 * Reads the answers of an evaluation.
 * @throws StillhouseError `evaluation.damaged`, `file.missing`
 */
export function readAnswers(folder: string, id: string): KeptAnswers {
  const path = join(folder, `${id}.safetensors`);
  const source = openFile(path);
  try {
    const { metadata, tensors } = readSafetensors(source, path);
    const damaged = (reason: Reason) => new StillhouseError('evaluation.damaged', { path, reason });
    const [files, classes] = [textsOf(metadata.files), textsOf(metadata.classes)];
    if (!files || !classes) throw damaged(reason('evaluation.names'));
    const floats = (name: string, width: number): Float32Array => {
      const tensor = tensors.get(name);
      if (tensor?.shape.reduce((product, side) => product * side, 1) !== files.length * width)
        throw damaged(reason('evaluation.images', { name, count: files.length }));
      return tensor.toFloat32();
    };
    const kept = tensors.get('test.top')?.shape[1] ?? 0;
    const heads = ANSWERING.filter((head) => tensors.has(`${head}.top`)).map((head): [string, Answers] => [
      head,
      {
        top: Int32Array.from(floats(`${head}.top`, kept)),
        // Earlier versions wrote it as `chance`.
        probability: floats(tensors.has(`${head}.chance`) ? `${head}.chance` : `${head}.probability`, kept),
        loss: floats(`${head}.loss`, 1),
        rank: Int32Array.from(floats(`${head}.rank`, 1)),
      },
    ]);
    if (heads.length === 0) throw damaged(reason('evaluation.no-head'));
    const labels = Int32Array.from(floats('labels', 1));
    const known = (label: number): boolean => label >= -1 && label < classes.length;
    if (![labels, ...heads.map(([, { top }]) => top)].every((ids) => ids.every(known)))
      throw damaged(reason('evaluation.class'));
    return { files, labels, kept, heads: new Map(heads), classes };
  } finally {
    source.close();
  }
}

function textsOf(text: string | undefined): string[] | null {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return Array.isArray(value) && value.every((name) => typeof name === 'string') ? value : null;
  } catch {
    return null;
  }
}

/** Removes an evaluation; the facts go first, so that none is listed without its answers. */
export function removeEvaluation(folder: string, id: string): void {
  for (const ending of ['json', 'safetensors']) removeNow(join(folder, `${id}.${ending}`));
}
