import type { EngineStatus } from '../protocol/data-types.ts';
import { StillhouseError, fromPlainError } from '../protocol/errors.ts';
import { install, status, verifyInstalled } from '../runtime/engine-store.ts';
import type { JobContext } from './jobs.ts';
import type { SpawnTrainer } from './run-control.ts';
import { runTrainer } from './trainer-job.ts';

/** The engine of this machine: one installation or verification at a time, each telling the windows when it ends. */
export class EngineDesk {
  private verifying: Promise<EngineStatus> | undefined;
  private readonly ending = new AbortController();

  /** @param tell says that the status may have changed. */
  constructor(
    private readonly folder: string,
    private readonly spawn: SpawnTrainer,
    private readonly tell: () => void,
  ) {}

  status(): Promise<EngineStatus> {
    return status(this.folder);
  }

  /** @throws StillhouseError `engine.missing`, or why the last verification failed. */
  async require(): Promise<void> {
    const { state, version, error } = await this.status();
    if (error) throw fromPlainError(error);
    if (state !== 'unpacked' && state !== 'verified') throw new StillhouseError('engine.missing', { version });
  }

  /** The work of an installation; `from` is a folder of wheels. Its result is the new status. */
  async install({ signal, report }: JobContext, from: string | undefined): Promise<EngineStatus> {
    try {
      const force = (await this.status()).state === 'broken';
      const { folder } = this;
      return await install({ folder, from, force, signal, onProgress: report, verify: this.tryOut });
    } finally {
      this.tell();
    }
  }

  /**
   * Checks every byte and runs an op; a broken engine is the answer, not an error.
   * @throws StillhouseError `engine.missing`.
   */
  verify(): Promise<EngineStatus> {
    this.verifying ??= this.verifyOnce().finally(() => {
      this.verifying = undefined;
      this.tell();
    });
    return this.verifying;
  }

  /** Ends a verification that is under way. */
  async close(): Promise<void> {
    this.ending.abort();
    await this.verifying?.catch(() => undefined);
  }

  private async verifyOnce(): Promise<EngineStatus> {
    const { folder } = this;
    try {
      return await verifyInstalled({ folder, signal: this.ending.signal, verify: this.tryOut });
    } catch (error) {
      const known = error instanceof StillhouseError && error.code.startsWith('engine.');
      if (!known || error.code === 'engine.missing') throw error;
      return status(folder);
    }
  }

  private readonly tryOut = async (engine: string, signal?: AbortSignal): Promise<void> => {
    await runTrainer(this.spawn, { kind: 'verify-engine', engine }, { signal });
  };
}
