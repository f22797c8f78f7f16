import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { EngineDevice } from '../protocol/data-types.ts';
import { ENGINE_DEVICES, PLUGINS, isPlugin, type Accelerator } from '../protocol/device.ts';

/** Where things live on a person's machine. Pure functions of the environment: nothing is created here. */

/** Version of the TensorFlow library that the engine folder is named for. */
export const ENGINE_VERSION = '2.21.0';

/**
 * Returns the folder for things that can be fetched again: `STILLHOUSE_CACHE`, else `$XDG_CACHE_HOME/stillhouse`, else
 * that of the system: `~/.cache/stillhouse`, `~/Library/Caches/stillhouse`, `%LOCALAPPDATA%\stillhouse\cache`.
 */
export function cacheFolder(platform: string = process.platform): string {
  return place('STILLHOUSE_CACHE', 'XDG_CACHE_HOME') ?? ofSystem('cache', platform);
}

/**
 * Returns the folder for things that a person made: `STILLHOUSE_HOME`, else `$XDG_DATA_HOME/stillhouse`, else that of the
 * system: `~/.local/share/stillhouse`, `~/Library/Application Support/stillhouse`, `%LOCALAPPDATA%\stillhouse\home`
 * (runs are too big for a profile that goes from machine to machine).
 */
export function homeFolder(platform: string = process.platform): string {
  return place('STILLHOUSE_HOME', 'XDG_DATA_HOME') ?? ofSystem('home', platform);
}

/** Holds one folder for each run: `<home>/runs/<id>`. */
export function runsFolder(): string {
  return join(homeFolder(), 'runs');
}

/** Holds the engine of one device: `<cache>/engine/cpu-2.21.0`, `<cache>/engine/pjrt-cpu-0.11.2`. */
export function engineFolder(device: EngineDevice = 'cpu', cache = cacheFolder()): string {
  return join(cache, 'engine', `${device}-${isPlugin(device) ? PLUGINS[device] : ENGINE_VERSION}`);
}

/** Holds the programs that plugins have compiled: `<cache>/programs`. */
export function programsFolder(cache = cacheFolder()): string {
  return join(cache, 'programs');
}

/** Returns the folder of each engine. */
export function engineFolders(cache = cacheFolder()): Record<EngineDevice, string> {
  const folders = ENGINE_DEVICES.map((device) => [device, engineFolder(device, cache)]);
  return Object.fromEntries(folders) as Record<EngineDevice, string>;
}

/** Names the engine that a run computes with; `gpu` is devices of a plugin, where one computes. */
export function engineName(gpu: Accelerator | null | undefined): string {
  if (!gpu) return `TensorFlow ${ENGINE_VERSION} cpu`;
  return `PJRT ${PLUGINS[gpu.plugin]} ${gpu.plugin}${gpu.devices.length > 1 ? ` × ${gpu.devices.length}` : ''}`;
}

/** Holds weight files that were fetched: `<cache>/weights`. */
export function weightsFolder(): string {
  return join(cacheFolder(), 'weights');
}

/** Holds what is known of data folders, beside what is in them: `<home>/data`. */
export function dataNotesFolder(home = homeFolder()): string {
  return join(home, 'data');
}

/** Holds the runs that wait for their turn: `<home>/queue`. */
export function queueFolder(home = homeFolder()): string {
  return join(home, 'queue');
}

/** Holds scripts and logs of jobs of Slurm: `<home>/slurm`. */
export function slurmFolder(home = homeFolder()): string {
  return join(home, 'slurm');
}

/** Holds what was found in archives of images: `<cache>/archives`. */
export function archivesFolder(cache = cacheFolder()): string {
  return join(cache, 'archives');
}

/** Holds the answers of teachers that are kept: `<cache>/answers`. */
export function answersFolder(cache = cacheFolder()): string {
  return join(cache, 'answers');
}

/** Holds the sample data set: `<cache>/sample`. */
export function sampleFolder(): string {
  return join(cacheFolder(), 'sample');
}

// The XDG rules: an empty or relative value counts as unset.
function place(own: string, shared: string): string | null {
  const ours = process.env[own];
  if (ours) return resolve(ours);
  const base = process.env[shared];
  return base && isAbsolute(base) ? join(base, 'stillhouse') : null;
}

function ofSystem(what: 'cache' | 'home', platform: string): string {
  if (platform === 'win32')
    return join(process.env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local'), 'stillhouse', what);
  const [library, folder] = what === 'cache' ? ['Caches', '.cache'] : ['Application Support', join('.local', 'share')];
  return join(homedir(), ...(platform === 'darwin' ? ['Library', library] : [folder]), 'stillhouse');
}
