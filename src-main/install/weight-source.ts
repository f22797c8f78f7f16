import { basename } from 'node:path';
import published from '../../resources/weights/published.json' with { type: 'json' };
import { StillhouseError } from '../protocol/errors.ts';
import { WEIGHT_ENDINGS } from '../protocol/export-formats.ts';
import { reason } from '../protocol/reasons.ts';
import { isAllowed } from './http-download.ts';

/** ImageNet weights that timm lists for a network, with the facts beside them. */
export interface PublishedWeights {
  /** `<network>.<training>`, timm's name. */
  name: string;
  /** Whether the network's name alone means this file. */
  first: boolean;
  /** The authors' address; null where only the hub has it. */
  url: string | null;
  /** The SHA-256, or its first digits, as the file name carries it. */
  hash: string | null;
  /** `owner/name` on the hub. */
  hub: string | null;
  /** SPDX name; null where timm does not say. */
  licence: string | null;
  inputSize: number;
  cropRatio: number;
  interpolation: string;
  mean: number[];
  std: number[];
  /** ImageNet accuracy in percent as the authors state it for this file; null where nothing certain was stated. */
  top1: number | null;
  top5: number | null;
}

/** Where weights come from: a file at an address, or a repository of the hub. */
export type WeightSource =
  | { kind: 'url'; address: string; hash: string | null; file: string }
  | { kind: 'hub'; repository: string; revision: string; file: string | null };

const TABLE: Readonly<Record<string, PublishedWeights[]>> = published;

/** Lists all published weights by network. */
export function publishedWeights(): [model: string, files: readonly PublishedWeights[]][] {
  return Object.entries(TABLE);
}

/** Finds published weights by timm's name, or those that a network's name alone means; undefined where there are none. */
export function findPublished(name: string): PublishedWeights | undefined {
  const files = Object.hasOwn(TABLE, name.split('.')[0]) ? TABLE[name.split('.')[0]] : [];
  return files.find((file) => file.name === name) ?? (name.includes('.') ? undefined : files[0]);
}

/** The places of published weights, the authors' first: its name carries the hash. */
export function sourcesOf({ url, hub }: PublishedWeights): WeightSource[] {
  return [...(url ? [urlSource(url)] : []), ...(hub ? [hubSource(hub)] : [])];
}

const HUB_ADDRESS = new RegExp(
  String.raw`^hf[_-]hub:(?://)?([\w.-]+/[\w.-]+)(?:@([\w./-]+?))?(?:/([\w.-]+\.(?:${WEIGHT_ENDINGS.join('|')})))?$`,
  'i',
);

/** Tells whether a text is an address and no path. */
export function isAddress(text: string): boolean {
  return /^(https?:\/\/|hf[_-]hub:)/i.test(text);
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
  const file = basename(new URL(address).pathname) || 'weights.pth';
  // As torch.hub does: the digits between the last hyphen and the ending.
  return { kind: 'url', address, file, hash: /-([0-9a-f]{8,64})\.\w+$/.exec(file)?.[1] ?? null };
}

function hubSource(repository: string): WeightSource {
  return { kind: 'hub', repository, revision: 'main', file: null };
}
