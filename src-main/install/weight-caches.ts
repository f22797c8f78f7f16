import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { fileSize, hashFile } from '../base/files.ts';
import type { WeightOwner } from '../protocol/weight-data.ts';
import type { WeightSource } from './weight-source.ts';

/** A file that is on this machine already, put there by another program or by hand. Nothing here writes. */
export interface FoundWeights {
  path: string;
  owner: Exclude<WeightOwner, 'store'>;
}

/** Files of the hub that hold weights, the preferred first. */
export const HUB_FILES = ['model.safetensors', 'pytorch_model.bin'];

/**
 * Looks for weights where torch and the hub's clients keep theirs, and in `folder`, where a person may put a file.
 * A file counts when its hash is the one its name carries, or its blob's; one without a known hash counts by place.
 */
export async function findInCaches(source: WeightSource, folder: string): Promise<FoundWeights | null> {
  if (source.kind === 'hub') return inHubCache(source);
  const places: FoundWeights[] = [
    { path: join(folder, source.file), owner: 'person' },
    { path: join(torchHome(), 'hub', 'checkpoints', source.file), owner: 'torch' },
  ];
  // Without a hash in its name a file of the same name may be anything.
  if (source.hash === null) return null;
  for (const place of places) if (await hasHash(place.path, source.hash)) return place;
  return null;
}

const hashes = new Map<string, string>();

/** Tells whether the SHA-256 of a file begins so. A file that has not changed since is hashed once. */
export async function hasHash(path: string, start: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  if (!found?.isFile()) return false;
  const key = [path, found.ino, found.size, found.mtimeMs, found.ctimeMs].join(' ');
  if (!hashes.has(key)) hashes.set(key, await hashFile(path, () => undefined).catch(() => ''));
  return hashes.get(key)!.startsWith(start);
}

/** `TORCH_HOME`, else torch's folder in the cache. */
function torchHome(): string {
  return process.env.TORCH_HOME || join(cacheHome(), 'torch');
}

function cacheHome(): string {
  return process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
}

/** `HF_HUB_CACHE`, else `HF_HOME/hub`, else the hub's folder in the cache. */
function hubCache(): string {
  return process.env.HF_HUB_CACHE || join(process.env.HF_HOME || join(cacheHome(), 'huggingface'), 'hub');
}

/** A snapshot is a folder of links into `blobs`, where a large file is named by its SHA-256. */
async function inHubCache(source: Extract<WeightSource, { kind: 'hub' }>): Promise<FoundWeights | null> {
  const root = join(hubCache(), `models--${source.repository.replace('/', '--')}`);
  const reference = await readFile(join(root, 'refs', source.revision), 'utf8').catch(() => source.revision);
  const snapshot = join(root, 'snapshots', reference.trim());
  const names = await readdir(snapshot).catch(() => [] as string[]);
  const file = (source.file ? [source.file] : HUB_FILES).find((name) => names.includes(name));
  if (!file || (await fileSize(join(snapshot, file))) === null) return null;
  const blob = basename(await realpath(join(snapshot, file)));
  if (/^[0-9a-f]{64}$/.test(blob) && !(await hasHash(join(snapshot, file), blob))) return null;
  return { path: source.file ? join(snapshot, file) : snapshot, owner: 'hub' };
}
