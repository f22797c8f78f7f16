import { existsSync } from 'node:fs';
import { getFrom, listStored, locateAny, removeStored } from '../../install/weight-store.ts';
import type { FetchOptions, StoredWeights } from '../../install/weight-store.ts';
import {
  findPublished,
  publishedWeights,
  sourcesOf,
  wantedWeights,
  type WantedWeights,
} from '../../install/weight-source.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { isAddress, type PublishedWeights } from '../../protocol/weight-data.ts';
import { weightsFolder } from '../../runs/places.ts';
import type { Command, Shell } from './command.ts';
import { type Option, type Parsed } from './options.ts';
import { bytes } from './progress.ts';

/** Options whose value may be an address, or the name of published weights, in place of a file. */
const WEIGHT_FLAGS = ['finetune', 'teacher-path', 'resume', 'weights', 'checkpoint'];

/** Starts from the published ImageNet weights of the network. */
export const PRETRAINED: Option = {
  flag: 'pretrained',
  value: null,
  help: 'Start from the published ImageNet weights of --model: fetched once, and found where torch or the hub keep theirs.',
};

export const weights: Command = {
  name: 'weights',
  summary: 'List published weights and those on this machine; get fetches, rm frees.',
  words: '[get NAME|ADDRESS] [rm ID]',
  count: [0, 2],
  options: [{ flag: 'all', value: null, help: 'List every training of a network, not only the one its name means.' }],
  run: async (parsed, shell) => {
    const [verb, what] = parsed.words;
    if (verb === undefined) return list(parsed.values.get('all') === true, shell);
    if (what === undefined || (verb !== 'get' && verb !== 'rm'))
      throw new StillhouseError('argument.invalid', { name: 'weights', expected: weights.words, got: parsed.words.join(' ') }); // prettier-ignore
    if (verb === 'get') {
      const path = await fetchedWeights(what, shell);
      return shell.reporter.result(path, { type: 'result', name: what, path });
    }
    const freed = await removeStored(what, weightsFolder());
    shell.reporter.result(`${bytes(freed)} freed.`, { type: 'result', id: what, bytes: freed });
  },
};

async function list(all: boolean, { reporter }: Shell): Promise<void> {
  const files = publishedWeights().flatMap(([, files]) => files.filter(({ first }) => all || first));
  const rows = await Promise.all(files.map(rowOf));
  const stored = await listStored(weightsFolder());
  const width = Math.max(...files.map(({ name }) => name.length)) + 2;
  const text = [
    `${'published'.padEnd(width)}   top-1  licence       on this machine`,
    ...rows.map(({ name, top1, timmTop1, licence, path }) => {
      const share = top1 === null ? `~${timmTop1?.toFixed(1) ?? '-'} %` : `${top1.toFixed(1)} %`;
      return `${name.padEnd(width)} ${share.padStart(8)}  ${(licence ?? 'not stated').padEnd(12)}  ${path ?? '-'}`;
    }),
    '',
    'Top-1 on ImageNet as its authors state it; with ~ as timm measured it.',
    stored.length > 0
      ? `In ${weightsFolder()} (free with: stillhouse weights rm ID):`
      : `Nothing is in ${weightsFolder()}.`,
    ...stored.map(storedLine),
  ].join('\n');
  const lines = stored.map((one) => ({ type: 'stored', ...one }));
  reporter.result(text, [...rows.map((row) => ({ type: 'published', ...row })), ...lines]);
}

async function rowOf(file: PublishedWeights): Promise<PublishedWeights & { path: string | null }> {
  const found = await locateAny(sourcesOf(file), weightsFolder());
  return { ...file, path: found?.path ?? null };
}

function storedLine({ id, facts, bytes: size }: StoredWeights): string {
  const state = facts === null ? 'in part' : facts.checked ? 'hash met' : 'hash unknown';
  return `  ${id}  ${bytes(size)}  ${state}${facts ? `  ${facts.address}` : ''}`;
}

/**
 * Replaces addresses and names of published weights by files of this machine, fetching them first.
 * @throws StillhouseError of the fetching
 */
export async function localWeights(
  parsed: Parsed,
  { options, takesWeights }: Pick<Command, 'options' | 'takesWeights'>,
  shell: Shell,
): Promise<void> {
  const known = new Set(options.map(({ flag }) => flag));
  for (const flag of WEIGHT_FLAGS.filter((flag) => known.has(flag))) {
    const value = parsed.values.get(flag);
    const wanted = typeof value === 'string' ? wantedOf(flag, value, parsed) : null;
    if (wanted !== null) parsed.values.set(flag, await fetchedWeights(wanted, shell));
  }
  for (const [at, word] of parsed.words.entries())
    if (takesWeights && isAddress(word)) parsed.words[at] = await fetchedWeights(word, shell);
  if (parsed.values.get('pretrained') !== true) return;
  if (parsed.values.has('finetune')) throw both();
  parsed.values.set('finetune', await fetchedWeights(String(parsed.values.get('model') ?? ''), shell));
}

function both(): StillhouseError {
  return new StillhouseError('argument.invalid', { name: '--pretrained', expected: 'no --finetune beside it', got: 'both' }); // prettier-ignore
}

/** The address or the name to fetch; null for a file. */
function wantedOf(flag: string, value: string, parsed: Parsed): string | null {
  if (isAddress(value)) return value;
  if (flag === 'checkpoint') return !existsSync(value) && findPublished(value) ? value : null;
  if (flag !== 'teacher-path' || value !== 'auto') return null;
  return String(parsed.values.get('teacher-model') ?? 'regnety_160');
}

/** Fetches weights by an address or a published name, where they are not on this machine. @returns their path. */
export async function fetchedWeights(what: string, shell: Shell): Promise<string> {
  const stop = new AbortController();
  const interrupts = shell.onInterrupt(
    () => stop.abort(),
    () => process.exit(130),
  );
  const options: FetchOptions = {
    folder: weightsFolder(),
    signal: stop.signal,
    onProgress: ({ done, total, rate }) => shell.reporter.progress('download', done, total, 'bytes', rate),
  };
  try {
    const wanted = wantedWeights(what);
    const path = await getFrom(wanted.sources, options);
    shell.reporter.note(`Weights: ${what} is ${path}${uncheckedNote(wanted)}`);
    return path;
  } finally {
    interrupts.release();
  }
}

function uncheckedNote({ sources: [source] }: WantedWeights): string {
  const unchecked = source.kind === 'url' && source.hash === null;
  return unchecked ? ' (its address carries no hash, so nothing vouches for it but the connection)' : '';
}
