import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import cpuPin from '../../resources/engine/cpu.json';
import cudaPin from '../../resources/engine/cuda.json';
import type { EngineDevice } from '../protocol/data-types.ts';
import type { PackagePin } from './package-fetch.ts';
import type { Member } from './wheel.ts';

/** An engine as it was pinned: the wheels that its files come out of. */
export interface EnginePin {
  device: EngineDevice;
  /** TensorFlow's. */
  version: string;
  wheels: readonly PackagePin[];
}

/** The engines that Stillhouse is made for. */
export const ENGINES: Readonly<Record<EngineDevice, EnginePin>> = {
  cpu: { device: 'cpu', version: cpuPin.version, wheels: [cpuPin] },
  cuda: { device: 'cuda', version: cudaPin.version, wheels: cudaPin.wheels },
};

/** Needs of the GPU engine: the oldest driver, and the least compute capability of a GPU. */
export const GPU_NEEDS = { driver: cudaPin.driver, capability: cudaPin.capability } as const;

/** Lists every file of an engine, in the order of its wheels. */
export function membersOf({ wheels }: EnginePin): Member[] {
  return wheels.flatMap(({ members }) => members);
}

/**
 * Returns the place of a file inside an engine folder. The GPU engine keeps the folders of its wheels, because its
 * libraries look for one another there; the CPU engine is flat.
 */
export function placeOf({ device }: EnginePin, { path }: Member): string {
  return device === 'cuda' ? path : basename(path);
}

/** Counts the bytes to download. */
export function downloadBytes({ wheels }: EnginePin): number {
  return wheels.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Counts the bytes on disk once unpacked. */
export function unpackedBytes(pin: EnginePin): number {
  return membersOf(pin).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Tells this pin from others: what was verified under another is not this engine. */
export function identityOf({ wheels }: EnginePin): string {
  const [first, ...others] = wheels.map(({ sha256 }) => sha256);
  return others.length === 0
    ? first
    : createHash('sha256')
        .update([first, ...others].join())
        .digest('hex');
}

/**
 * Lists the wheels as pip's requirements, with their hashes, for `pip download --require-hashes` on another machine.
 */
export function requirementsOf({ wheels }: EnginePin): string {
  return wheels.map(({ package: name, version, sha256 }) => `${name}==${version} --hash=sha256:${sha256}`).join('\n');
}
