import type { Writable } from 'node:stream';
import type { Interruptions } from './interruptions.ts';

/** Exit code by which a shell reports a process that SIGPIPE ended: 128 + 13. */
const NOBODY_READS = 141;

/**
 * Output and messages of the program. Where nobody reads them any more (`| head`), or they cannot be written (a full
 * disk), the work that runs is asked to save and end, and the exit code says that it was not done.
 */
export class OutputPipe {
  /** The exit code once something could not be written; undefined until then. */
  brokenCode: number | undefined;
  private readonly broken = new Set<Writable>();

  constructor(
    private readonly output: Writable,
    private readonly messages: Writable,
    private readonly interruptions: Interruptions,
  ) {
    for (const stream of [output, messages])
      stream.on('error', (error: NodeJS.ErrnoException) => this.fail(stream, error));
  }

  out(text: string): void {
    if (!this.broken.has(this.output)) this.output.write(text);
  }

  err(text: string): void {
    if (!this.broken.has(this.messages)) this.messages.write(text);
  }

  private fail(stream: Writable, { code, message }: NodeJS.ErrnoException): void {
    if (this.broken.has(stream)) return;
    this.broken.add(stream);
    this.brokenCode ??= code === 'EPIPE' ? NOBODY_READS : 1;
    const reason = code === 'EPIPE' ? 'Nobody reads the output any more' : `The output cannot be written (${message})`;
    // What only prints has been read as far as anybody wanted.
    if (!this.interruptions.any) {
      if (code !== 'EPIPE') this.err(`${reason}.\n`);
      process.exit(this.brokenCode);
    }
    this.err(`${reason}: ending what runs; a training is saved first.\n`);
    this.interruptions.interrupt(false);
  }
}
