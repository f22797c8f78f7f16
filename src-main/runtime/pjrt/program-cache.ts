import { createHash } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { readFile, readdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../base/files.ts';
import { remove } from '../../base/moves.ts';
import { thisProcessor } from '../../base/processor.ts';
import { PjrtError } from './api.ts';
import type { PjrtClient } from './client.ts';
import { compileOptions, type CompileOptions } from './compile-options.ts';
import type { PjrtExecutable } from './executable.ts';

const ENDING = '.program';
const HASH_BYTES = 32;
/** Bytes that all kept programs may take; those that were not used for the longest time go first. */
const MOST_BYTES = 2 * 2 ** 30;

/** A program that is loaded, and whether it was found on the disk. */
export interface LoadedProgram {
  executable: PjrtExecutable;
  cached: boolean;
}

/**
 * Compiled programs on the disk, named by the hash of all that decides them: the text, the options, the plugin and the
 * device. A file that is damaged, or that the plugin refuses, is made anew.
 */
export class ProgramCache {
  /** @param folder where they lie; made when missing. */
  constructor(
    private readonly folder: string,
    private readonly mostBytes = MOST_BYTES,
  ) {}

  /** Loads a program, compiling it where that was not done before. @throws PjrtError of the compilation. */
  async load(client: PjrtClient, mlir: string, options: CompileOptions = {}): Promise<LoadedProgram> {
    const given = compileOptions(options);
    const file = join(this.folder, nameOf(client, mlir, given));
    const found = await this.find(client, file);
    if (found) return { executable: found, cached: true };
    const executable = await client.compile(mlir, given);
    await this.keep(file, executable);
    return { executable, cached: false };
  }

  private async find(client: PjrtClient, file: string): Promise<PjrtExecutable | null> {
    const bytes = await readFile(file).catch(() => null);
    if (!bytes) return null;
    const program = Uint8Array.from(bytes.subarray(HASH_BYTES));
    if (!bytes.subarray(0, HASH_BYTES).equals(hash(program))) return null;
    try {
      const executable = await client.deserialize(program);
      const now = new Date();
      await utimes(file, now, now).catch(() => undefined);
      return executable;
    } catch (error) {
      if (error instanceof PjrtError) return null;
      throw error;
    }
  }

  // A plugin that cannot write programs, or a full disk, costs the next start time, not this one its run.
  private async keep(file: string, executable: PjrtExecutable): Promise<void> {
    try {
      const program = executable.serialize();
      mkdirSync(this.folder, { recursive: true });
      writeFileAtomic(file, Buffer.concat([hash(program), program]));
      await this.prune();
    } catch {
      // Nothing half-written is left.
    }
  }

  private async prune(): Promise<void> {
    const names = (await readdir(this.folder)).filter((name) => name.endsWith(ENDING));
    const files = await Promise.all(
      names.map(async (name) => {
        const path = join(this.folder, name);
        const { size, mtimeMs } = await stat(path);
        return { path, size, used: mtimeMs };
      }),
    );
    let total = 0;
    for (const { path, size } of files.sort((a, b) => b.used - a.used)) {
      total += size;
      if (total > this.mostBytes) await remove(path);
    }
  }
}

function nameOf(client: PjrtClient, mlir: string, options: Uint8Array): string {
  const { library, platform, platformVersion, devices } = client;
  const { size, mtimeMs } = statSync(library.file);
  // Code for a processor uses the instructions of the one that it was compiled on.
  const processor = platform === 'cpu' ? thisProcessor().flags : [];
  const kinds = devices.map(({ kind }) => kind);
  // XLA reads flags from there too.
  const flags = process.env.XLA_FLAGS ?? '';
  const facts = [library.version, size, mtimeMs, platform, platformVersion, kinds, processor, flags];
  return `${createHash('sha256').update(JSON.stringify(facts)).update(options).update('\0').update(mlir).digest('hex')}${ENDING}`;
}

function hash(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
