import { randomFillSync } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { removeLeftovers, temporaryBeside } from '../../base/files.ts';
import { removeNow } from '../../base/moves.ts';
import { freeBytes } from '../../jobs/disk-cost.ts';

const PIECE = 8 << 20;
/** Bytes that stay free beside the reserve: a history must grow. */
const MARGIN = 8 << 20;

/**
 * Space for one checkpoint, held by a file in the run folder, so that a run whose disk others have filled can still be
 * saved where it stands. It is given up only for a save that has no other space, and made again when there is some.
 * The file is a temporary one: what a killed process leaves is removed by the next.
 */
export class DiskReserve {
  private readonly path: string;
  private bytes = 0;
  private held = false;

  constructor(private readonly folder: string) {
    this.path = temporaryBeside(join(folder, 'reserve'));
  }

  /**
   * Takes the space where there is some; it is no failure where there is not.
   * @param bytes of a checkpoint, or a little more.
   */
  async make(bytes: number): Promise<void> {
    this.bytes = bytes;
    if (this.held) return;
    try {
      mkdirSync(this.folder, { recursive: true });
      await removeLeftovers(this.folder);
      if ((await freeBytes(this.folder)) < this.bytes + MARGIN) return;
      await this.fill();
      this.held = true;
    } catch {
      this.release();
    }
  }

  /** Has `save` the reserved space where it needs it. */
  async during<Saved>(save: () => Promise<Saved>): Promise<Saved> {
    if (this.held && (await freeBytes(this.folder)) < this.bytes) this.release();
    const saved = await save();
    await this.make(this.bytes);
    return saved;
  }

  release(): void {
    this.held = false;
    removeNow(this.path);
  }

  // Written and not only made long, which takes no space; with noise, which a disk that compresses cannot make small.
  private async fill(): Promise<void> {
    const noise = randomFillSync(new Uint8Array(Math.min(PIECE, this.bytes)));
    const file = await open(this.path, 'wx');
    try {
      for (let at = 0; at < this.bytes;) {
        const piece = noise.subarray(0, Math.min(noise.length, this.bytes - at));
        at += (await file.write(piece)).bytesWritten;
      }
    } finally {
      await file.close();
    }
  }
}
