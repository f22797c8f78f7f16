import { exitProcess } from '../runtime/tensorflow.ts';
import { jobPort, type JobPort } from './job-port.ts';
import { serveLine, type ServedLine } from './serve-line.ts';

/**
 * The trainer process: owns the TensorFlow library and does one job. It is started by `spawnJob`, or in any
 * other way that gives it a message line, and ends when the job has ended or its owner is gone.
 */

/** Milliseconds that a job without an owner may take to save and end. */
const GRACE = 10 * 60_000;

function main(port: JobPort): void {
  const served = serveLine(port, exitProcess);
  port.onGone(() => leave(served));
  process.on('SIGTERM', () => served.stop());
  // Ctrl-C in a terminal reaches every process of the group; the owner decides what it means.
  process.on('SIGINT', () => undefined);
  // A scheduler whose time is up tells every process; Node's own answer to it is to open a debugger.
  process.on('SIGUSR1', () => undefined);
  // A terminal that is closed ends the owner, and that is heard: there must be time to save.
  process.on('SIGHUP', () => undefined);
  process.on('uncaughtException', served.fail);
  process.on('unhandledRejection', served.fail);
  // Their reader may be gone before this process is: what it would have read must not end a run that is saving.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  port.tell({ tell: 'ready' });
}

// Without an owner a training saves and ends, and one that cannot end is ended; all else has nobody to answer.
function leave({ kind, stop }: ServedLine): void {
  if (kind() !== 'train') exitProcess(1);
  stop();
  setTimeout(() => exitProcess(1), GRACE);
}

const line = jobPort();
if (line) main(line);
else {
  process.stderr.write('This program is started by Stillhouse: run `stillhouse train`.\n');
  process.exitCode = 2;
}
