import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { foreign } from '../../base/foreign.ts';
import { loadForGood, platform } from '../loader.ts';
import { PjrtApi, keepAlive, type NamedValue, type PlainValue } from './api.ts';
import { PjrtClient } from './client.ts';
import { AheadExecutable } from './executable.ts';
import { programOf, type Library } from './library.ts';

const loaded = new Map<string, PjrtPlugin>();

/** A loaded PJRT plugin. It stays in the process: end that with `exitProcess`, for a plugin may crash at a normal exit. */
export class PjrtPlugin implements Library {
  private constructor(
    readonly file: string,
    readonly api: PjrtApi,
  ) {}

  /**
   * Loads the library of a plugin, once a process.
   * @param sha256 what it must be, in hexadecimal; no byte of another library is run.
   * @throws StillhouseError `file.missing`, `engine.corrupt`, `engine.load`.
   */
  static load(file: string, { sha256 }: { sha256: string }): PjrtPlugin {
    const known = loaded.get(file);
    if (known) return known;
    if (!existsSync(file)) throw new StillhouseError('file.missing', { path: file });
    const got = hashNow(file);
    if (got !== sha256) throw new StillhouseError('engine.corrupt', { file, expected: sha256, got });
    // XLA writes its log to standard error; errors come back as errors.
    process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
    const api = openApi(file);
    api.call('Plugin_Initialize', []);
    const plugin = new PjrtPlugin(file, api);
    loaded.set(file, plugin);
    return plugin;
  }

  /** Version of the C API that it speaks, as 0.115. */
  get version(): string {
    const { major, minor } = this.api.version;
    return `${major}.${minor}`;
  }

  /** Reads what it says of itself: `xla_version`, the versions of StableHLO that it reads. */
  attributes(): Readonly<Record<string, PlainValue>> {
    const slots = this.api.call('Plugin_Attributes', []);
    return this.api.readNamedValues(slots[2], Number(slots[3]));
  }

  /**
   * Takes the devices that the options leave.
   * @throws PjrtError when there is no device, or an option is unknown or of another type.
   */
  async client(options: Readonly<Record<string, NamedValue>> = {}): Promise<PjrtClient> {
    const { slots, kept } = this.api.namedValues(options);
    const made = await this.api.callAsync('Client_Create', [slots, Object.keys(options).length]);
    keepAlive(kept);
    return new PjrtClient(this, made[8]);
  }

  /**
   * Compiles for a device that this machine need not have.
   * @param topology what is compiled for: for GPUs `{ target_config, topology: '1x1x1' }`.
   */
  async compileAhead(
    mlir: string,
    options: Uint8Array,
    topology: { name: string; options: Readonly<Record<string, NamedValue>> },
  ): Promise<AheadExecutable> {
    const { api } = this;
    const { slots, kept } = api.namedValues(topology.options);
    const name = Buffer.from(topology.name);
    const fields = [slots, Object.keys(topology.options).length];
    const made = await api.callAsync('TopologyDescription_Create', [name, name.length, ...fields]);
    keepAlive(kept);
    const description = made[6];
    try {
      const program = programOf(api, mlir);
      const compiled = await api.callAsync('Compile', [description, program.slots, options, options.length, 0]);
      keepAlive(program);
      return new AheadExecutable(api, compiled[7]);
    } finally {
      api.call('TopologyDescription_Destroy', [description]);
    }
  }
}

const PIECE = 4 << 20;

/** Returns the SHA-256 of a file, without giving way: nothing else goes on before the library is loaded. */
function hashNow(path: string): string {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(PIECE);
  const file = openSync(path, 'r');
  try {
    for (let count = readSync(file, piece); count > 0; count = readSync(file, piece))
      hash.update(piece.subarray(0, count));
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}

function openApi(file: string): PjrtApi {
  const koffi = foreign();
  try {
    const libc = koffi.load(platform().libc);
    loadForGood(file);
    return new PjrtApi(file, koffi.load(file), libc);
  } catch (error) {
    if (error instanceof StillhouseError) throw error;
    throw new StillhouseError('engine.load', { reason: reasonOf(error) }, { cause: error });
  }
}
