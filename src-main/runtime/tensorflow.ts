import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { StillhouseError } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
import { Binding, EagerSink } from './binding.ts';
import { contextConfig, serverDef, type Cluster, type ContextOptions } from './config.ts';
import { checked, loadLibrary, type Pointer, type Tf } from './library.ts';

/** The name of the tfjs backend over TensorFlow; tfjs-node's kernels are registered under it. */
export const BACKEND = 'tensorflow';

/** A device as TensorFlow lists it. */
export interface Device {
  name: string;
  type: string;
  /** Bytes; what TensorFlow may use. */
  memory: number;
}

/**
 * The loaded TensorFlow library with its eager context. One a process. It is there whatever computes: it records
 * programs, decodes images and opens SavedModels. */
export interface TensorFlow {
  readonly tf: Tf;
  readonly context: Pointer;
  readonly binding: Binding;
  readonly version: string;
  readonly threads: number;
  /** How many independent parts of one function run side by side, each op of them on one thread. */
  readonly lanes: number;
  devices(): Device[];
}

export interface TensorFlowOptions {
  /** 0 or absent: one a core. */
  threads?: number;
  /**
   * How the threads work: `lanes` run parts of the work side by side, faster where a batch can be parted; `ops` share
   * each single op.
   */
  threading?: 'lanes' | 'ops';
  /** The ranks with which programs reduce; absent: this process is alone. */
  cluster?: Cluster | null;
}

let current: TensorFlow | undefined;

/**
 * Loads the engine from `folder` and makes it tfjs's backend: from then on tfjs ops run eagerly on TensorFlow.
 * A process has one engine for its life; a second call with the same folder returns it.
 * @throws StillhouseError `engine.load`.
 */
export async function loadTensorFlow(folder: string, options: TensorFlowOptions = {}): Promise<TensorFlow> {
  if (current) return current;
  const { cluster = null } = options;
  const library = loadLibrary(folder);
  const threads = options.threads || availableParallelism();
  const lanes = options.threading === 'ops' ? 1 : threads;
  const context = newContext(library, { within: lanes > 1 ? 1 : threads, between: threads, cluster });
  const binding = new Binding(new EagerSink(library, context), String(library.TF_Version()));
  registerBackend(binding);
  if (!(await tf.setBackend(BACKEND))) throw new StillhouseError('engine.load', { reason: reason('engine.backend') });
  current = {
    tf: library,
    context,
    binding,
    version: binding.TF_Version,
    threads,
    lanes,
    devices: () => listDevices(library, context),
  };
  return current;
}

function newContext(library: Tf, wanted: ContextOptions): Pointer {
  const options: Pointer = library.TFE_NewContextOptions();
  try {
    const context: Pointer = checked(library, 'new context', (status) => {
      const config = contextConfig(wanted);
      library.TFE_ContextOptionsSetConfig(options, config, config.length, status);
      return library.TFE_NewContext(options, status);
    });
    // Before any tensor is made: the context's devices get other names.
    if (wanted.cluster) joinCluster(library, context, { ...wanted, cluster: wanted.cluster });
    return context;
  } finally {
    library.TFE_DeleteContextOptions(options);
  }
}

function joinCluster(library: Tf, context: Pointer, wanted: ContextOptions & { cluster: Cluster }): void {
  checked(library, 'collectives', (status) => {
    const server = serverDef(wanted);
    library.TFE_EnableCollectiveOps(context, server, server.length, status);
  });
}

/** tfjs-node's JavaScript kernels over our binding. Its package root would load its C++ addon, so it is not imported. */
function registerBackend(binding: Binding): void {
  // Node 23 removed these; the kernel files call them.
  const legacy = util as unknown as Record<string, unknown>;
  legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  legacy.isArray ??= Array.isArray;
  const require = createRequire(import.meta.url);
  const { NodeJSKernelBackend } = require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js');
  require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js');
  tf.registerBackend(BACKEND, () => new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node'), 3);
}

function listDevices(library: Tf, context: Pointer): Device[] {
  return checked(library, 'list devices', (status) => {
    const list: Pointer = library.TFE_ContextListDevices(context, status);
    try {
      return Array.from({ length: library.TF_DeviceListCount(list) }, (_, index) => ({
        name: String(library.TF_DeviceListName(list, index, status)),
        type: String(library.TF_DeviceListType(list, index, status)),
        memory: Number(library.TF_DeviceListMemoryBytes(list, index, status)),
      }));
    } finally {
      library.TF_DeleteDeviceList(list);
    }
  });
}

/** Ends the process at once with `code`, skipping native destructors that TensorFlow's live threads would trip over. */
export function exitProcess(code: number): never {
  (process as unknown as { reallyExit(code: number): void }).reallyExit(code);
  throw new Error('unreachable');
}
