import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import cpuPins from '../../resources/engine/cpu.json';
import pluginPins from '../../resources/engine/plugins.json';
import { platformOf, type PlatformName } from '../base/platform.ts';
import type { EngineDevice } from '../protocol/data-types.ts';
import { PLUGIN_NAMES, type PluginName } from '../protocol/device.ts';
import type { PackagePin } from './package-fetch.ts';
import type { Member } from './wheel.ts';

/** An engine as it was pinned: the wheels that its files come out of. */
export interface EnginePin {
  device: EngineDevice;
  /** TensorFlow's, or the plugin's. */
  version: string;
  wheels: readonly PackagePin[];
}

/** A PJRT plugin as it was pinned: its library is the only member of its first wheel. */
export interface PluginPin extends EnginePin {
  device: PluginName;
  /** The system that it is made for, as `linux x64`. */
  platform: string;
  /** Whether a network was trained with it before it was pinned. */
  tried: boolean;
  experimental: boolean;
  /** NVIDIA's: the oldest driver, and the least compute capability of a GPU that it has code for. */
  driver: string | null;
  capability: number | null;
  /** Software that the machine must have besides. */
  needs: string | null;
  licences: readonly string[];
}

/** A plugin's entry in `plugins.json`. */
interface PluginEntry {
  version: string;
  platform: string;
  tried?: boolean;
  experimental?: boolean;
  needs?: string;
  driver?: string;
  capability?: number;
  wheels: readonly (PackagePin & { licence: string })[];
}

function pluginPin(device: PluginName): PluginPin {
  const entry = pluginPins[device] as PluginEntry;
  const { tried = false, experimental = false, needs = null, driver = null, capability = null } = entry;
  const licences = [...new Set(entry.wheels.map(({ licence }) => licence))];
  return { ...entry, device, tried, experimental, needs, driver, capability, licences };
}

/** The plugins that Stillhouse knows. */
export const PLUGIN_PINS = Object.fromEntries(PLUGIN_NAMES.map((name) => [name, pluginPin(name)])) as Readonly<
  Record<PluginName, PluginPin>
>;

/** The engine of the processor on each system. */
export const CPU_PINS: Readonly<Record<PlatformName, Omit<EnginePin, 'device'>>> = cpuPins;

/** The engines that Stillhouse is made for. A system without one shows that of Linux, which it cannot install. */
export const ENGINES: Readonly<Record<EngineDevice, EnginePin>> = {
  cpu: { device: 'cpu', ...CPU_PINS[platformOf() ?? 'linux-x64'] },
  ...PLUGIN_PINS,
};

/** Lists every file of an engine, in the order of its wheels. */
export function membersOf({ wheels }: EnginePin): Member[] {
  return wheels.flatMap(({ members }) => members);
}

/**
 * Returns the place of a file inside an engine folder. The CPU engine is flat; the others keep the folders of their
 * wheels, because their libraries look for one another there.
 */
export function placeOf({ device }: EnginePin, { path }: Member): string {
  return device === 'cpu' ? basename(path) : path;
}

/** Returns a plugin's own library, by its place inside the engine folder. */
export function pluginLibrary({ wheels }: PluginPin): Member {
  return wheels[0].members[0];
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
