import * as v from 'valibot';
import { ENGINE_DEVICES, PLUGIN_NAMES } from './device.ts';
import { recipeReading } from './recipe-data.ts';
import { number, oneOf, plainError, text, reasonOrText } from './shapes.ts';

/** Shapes of the machine and its engines in the answers of calls. Sizes are bytes, times milliseconds since 1970. */

export const systemInfo = v.object({
  version: text,
  platform: text,
  node: text,
  shell: oneOf(['electron', 'server', 'cli']),
  cpu: text,
  threads: number,
  memory: number,
  memoryFree: number,
  runsFolder: text,
  cacheFolder: text,
  home: text,
  /** Path of the sample data set when it is built, else null. */
  sample: v.nullable(text),
});
export type SystemInfo = v.InferOutput<typeof systemInfo>;

export const folder = v.object({
  path: text,
  parent: v.nullable(text),
  entries: v.array(v.object({ name: text, path: text, kind: oneOf(['folder', 'file']), bytes: number })),
});
export type Folder = v.InferOutput<typeof folder>;

const engineDevice = oneOf(ENGINE_DEVICES);
export type EngineDevice = v.InferOutput<typeof engineDevice>;

const engineStatus = v.object({
  state: oneOf(['missing', 'partial', 'unpacked', 'verified', 'broken']),
  version: text,
  device: engineDevice,
  path: text,
  bytesDownload: number,
  bytesOnDisk: number,
  bytesArrived: number,
  error: v.nullable(plainError),
  /** Devices that it found when it was last loaded; null for TensorFlow, or before it was loaded. */
  gpus: v.nullable(number),
  /** Why it found none. */
  gpuReason: v.nullable(reasonOrText),
});
export type EngineStatus = v.InferOutput<typeof engineStatus>;

/** A PJRT plugin: the engine of an accelerator, and what is to be known before it is fetched. */
const pluginStatus = v.object({
  ...engineStatus.entries,
  device: oneOf(PLUGIN_NAMES),
  /** Whether it is made for this system. */
  fits: v.boolean(),
  /** Whether a network was ever trained with it by those who pinned it. */
  tried: v.boolean(),
  experimental: v.boolean(),
  /** Software that the machine must have besides, as `ROCm 7`. */
  needs: v.nullable(text),
  /** Its packages' licences, each once. */
  licences: v.array(text),
});
export type PluginStatus = v.InferOutput<typeof pluginStatus>;

/** A GPU as its driver tells of it. */
const gpu = v.object({
  /** As in `cuda:N`. */
  index: number,
  name: text,
  /** 0 while unknown. */
  memory: number,
  memoryFree: v.nullable(number),
  /** Compute capability, as 8.6. */
  capability: v.nullable(number),
  uuid: text,
});
export type Gpu = v.InferOutput<typeof gpu>;

/** NVIDIA's GPUs in this machine, and whether one computes. */
const gpuReport = v.object({
  /** The plugin for them that suits this machine, among those of `plugins`. */
  plugin: oneOf(PLUGIN_NAMES),
  /** Why it is that one. */
  why: reasonOrText,
  /** Bytes that installing it takes on the disk while it lasts, and what is free there. */
  bytesNeeded: number,
  bytesFree: number,
  /** Version of the driver; null without one. */
  driver: v.nullable(text),
  gpus: v.array(gpu),
  /** Where the device that was asked for (`auto` unless said) means to compute: `cpu`, `cuda:N`, `pjrt:rocm:N`. */
  device: text,
  /** Why that is no accelerator; null when it is. */
  reason: v.nullable(plainError),
});
export type GpuReport = v.InferOutput<typeof gpuReport>;

/** TensorFlow, NVIDIA's GPUs, and the plugins. */
export const engineReport = v.object({ ...engineStatus.entries, gpu: gpuReport, plugins: v.array(pluginStatus) });
export type EngineReport = v.InferOutput<typeof engineReport>;

/** Bytes that a try on the sample still has to download; 0 for parts that are there. */
export const sampleCost = v.object({ engine: number, data: number, teacher: number });
export type SampleCost = v.InferOutput<typeof sampleCost>;

/** The thing that a person handed to the app from outside of the window. */
export const foundThing = v.object({
  kind: v.picklist(['data', 'run', 'recipe', 'weights']),
  path: text,
  /** The reading of a recipe; null for all else. */
  reading: v.nullable(recipeReading),
});
export type FoundThing = v.InferOutput<typeof foundThing>;
