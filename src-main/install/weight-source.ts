import { basename } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { WEIGHT_ENDINGS } from '../protocol/export-formats.ts';
import { reason } from '../protocol/reasons.ts';
import { isAddress, type PublishedWeights } from '../protocol/weight-data.ts';
import { isAllowed } from './http-download.ts';
import { publishedTable } from './weight-table.ts';

/** Says where weights come from: a file at an address, or a repository of the hub. */
export type WeightSource =
  | { kind: 'url'; address: string; hash: string | null; file: string }
  | { kind: 'hub'; repository: string; revision: string; file: string | null };

/** Lists all published weights by network. */
export function publishedWeights(): [model: string, files: readonly PublishedWeights[]][] {
  return Object.entries(publishedTable());
}

/** Finds published weights by timm's name, or those that a network's name alone means; undefined where there are none. */
export function findPublished(name: string): PublishedWeights | undefined {
  const table = publishedTable();
  const model = name.split('.')[0];
  const files = Object.hasOwn(table, model) ? table[model] : [];
  return files.find((file) => file.name === name) ?? (name.includes('.') ? undefined : files[0]);
}

/**
 * Lists the places of published weights, the authors' first: its name carries the hash.
 * @throws StillhouseError `argument.invalid`
 */
export function sourcesOf({ url, hub }: Pick<PublishedWeights, 'url' | 'hub'>): WeightSource[] {
  return [...(url ? [parseSource(url)] : []), ...(hub ? [hubSource(hub)] : [])];
}

const HUB_ADDRESS = new RegExp(
  String.raw`^hf[_-]hub:(?://)?([\w.-]+/[\w.-]+)(?:@([\w./-]+?))?(?:/([\w.-]+\.(?:${WEIGHT_ENDINGS.join('|')})))?$`,
  'i',
);

/** The weights that a name or an address means, and the places to get them from. */
export interface WantedWeights {
  /** The name that was asked for; for published weights their full name. */
  name: string;
  published: PublishedWeights | null;
  sources: WeightSource[];
}

/**
 * Reads an address, or a name of published weights.
 * @throws StillhouseError `argument.invalid`
 */
export function wantedWeights(what: string): WantedWeights {
  // Of an address that cannot be taken the error says which can.
  if (isAddress(what) || what.includes('://')) {
    const published = publishedAt(what) ?? null;
    return { name: published?.name ?? what, published, sources: [parseSource(what)] };
  }
  const published = findPublished(what);
  if (published) return { name: published.name, published, sources: sourcesOf(published) };
  throw new StillhouseError('argument.invalid', { name: 'weights', expected: reason('value.network'), got: what });
}

function publishedAt(address: string): PublishedWeights | undefined {
  return allPublished().find(({ url }) => url === address);
}

function allPublished(): PublishedWeights[] {
  return publishedWeights().flatMap(([, files]) => files);
}

/** Finds the published weights whose file has this name, hash and all; undefined where none has. */
export function publishedFile(name: string): PublishedWeights | undefined {
  return allPublished().find(({ url, hash }) => hash !== null && url !== null && fileOf(url) === name);
}

/**
 * Reads an address of weights: `https://…/name-<hash>.pth` (`http` on this machine alone), or
 * `hf_hub:owner/name[@revision][/file]`.
 * @throws StillhouseError `argument.invalid`
 */
export function parseSource(text: string): WeightSource {
  const hub = HUB_ADDRESS.exec(text);
  if (hub) return { kind: 'hub', repository: hub[1], revision: hub[2] ?? 'main', file: hub[3] ?? null };
  if (/^https?:/i.test(text) && URL.canParse(text) && isAllowed(text)) return urlSource(text);
  throw new StillhouseError('argument.invalid', { name: 'address', expected: EXPECTED, got: text });
}

const EXPECTED = reason('value.address');

function urlSource(address: string): WeightSource {
  const file = fileOf(address);
  // As torch.hub does: the digits between the last hyphen and the ending.
  return { kind: 'url', address, file, hash: /-([0-9a-f]{8,64})\.\w+$/.exec(file)?.[1] ?? null };
}

function fileOf(address: string): string {
  return basename(new URL(address).pathname) || 'weights.pth';
}

function hubSource(repository: string): WeightSource {
  return { kind: 'hub', repository, revision: 'main', file: null };
}
