import { EventEmitter } from 'node:events';
import { StillhouseError, toPlainError } from '../protocol/errors.ts';
import { exitProcess } from '../runtime/tensorflow.ts';
import { runCheckExportJob } from './jobs/check-export-job.ts';
import { runCheckJob } from './jobs/check-data-job.ts';
import { runEvaluateJob } from './jobs/evaluate-job.ts';
import { runEvaluateTeacherJob } from './jobs/evaluate-teacher-job.ts';
import { runExportJob } from './jobs/export-job.ts';
import { runForecastJob } from './jobs/forecast-job.ts';
import { runForwardJob } from './jobs/forward-job.ts';
import { runMeasureJob } from './jobs/measure-job.ts';
import { runPredictFilesJob } from './jobs/predict-files-job.ts';
import { runPredictJob } from './jobs/predict-job.ts';
import { runPreviewJob } from './jobs/preview-job.ts';
import { runTeachJob } from './jobs/teach-job.ts';
import { runThroughputJob } from './jobs/throughput-job.ts';
import { runTrainJob } from './jobs/train-job.ts';
import { runRankJob } from './ranks/rank-job.ts';
import { PauseSwitch } from './training/pause-switch.ts';
import { jobPort, type JobPort } from './job-port.ts';
import type { JobContext } from './job-context.ts';
import { readJobCommand, type JobEvent, type JobRequest, type JobResult } from '../jobs/job-protocol.ts';
import { runVerifyJob } from './jobs/verify-job.ts';

/**
 * The trainer process: owns the TensorFlow library and does one job. It is started by `spawnJob`, or in any
 * other way that gives it a message line, and ends when the job has ended or its owner is gone.
 */

const HEARTBEAT = 1000;

/** Milliseconds that a job without an owner may take to save and end. */
const GRACE = 10 * 60_000;

function runJob(job: JobRequest, context: JobContext): Promise<JobResult> {
  switch (job.kind) {
    case 'train':
      return runTrainJob(job, context);
    case 'rank':
      return runRankJob(job, context);
    case 'evaluate':
      return runEvaluateJob(job, context);
    case 'evaluate-teacher':
      return runEvaluateTeacherJob(job, context);
    case 'export':
      return runExportJob(job, context);
    case 'check-export':
      return runCheckExportJob(job, context);
    case 'predict':
      return runPredictJob(job, context);
    case 'predict-files':
      return runPredictFilesJob(job, context);
    case 'check':
      return runCheckJob(job, context);
    case 'forward':
      return runForwardJob(job);
    case 'forecast':
      return runForecastJob(job);
    case 'measure':
      return runMeasureJob(job, context);
    case 'throughput':
      return runThroughputJob(job, context);
    case 'teach':
      return runTeachJob(job, context);
    case 'preview':
      return runPreviewJob(job);
    case 'verify-engine':
      return runVerifyJob(job);
  }
}

function main(port: JobPort): void {
  const stop = new AbortController();
  const pause = new PauseSwitch();
  const finish = async (event: JobEvent, code: number): Promise<void> => {
    port.tell(event);
    await port.flush();
    exitProcess(code);
  };
  const fail = (error: unknown): void => {
    // Whoever started the process keeps what it writes; a defect is not found without its stack.
    if (!(error instanceof StillhouseError)) process.stderr.write(`${(error as Error)?.stack ?? String(error)}\n`);
    void finish({ tell: 'failed', error: toPlainError(error) }, 1);
  };
  let started: JobRequest['kind'] | null = null;
  const asks = new EventEmitter();
  const onAsk: JobContext['onAsk'] = (listener) => void asks.on('ask', listener);
  port.onCommand((message) => {
    const command = readJobCommand(message);
    if (!command) return;
    if (command.do === 'stop') stop.abort();
    else if (command.do === 'pause') pause.pause();
    else if (command.do === 'continue') pause.continue();
    else if (command.do === 'ask') asks.emit('ask', command.question, command.image);
    else if (command.do === 'ping') port.tell({ tell: 'pong' });
    else if (!started) {
      started = command.job.kind;
      runJob(command.job, { stop: stop.signal, pause, onAsk, tell: (event) => port.tell(event) }).then(
        (result) => finish({ tell: 'done', result }, 0),
        fail,
      );
    }
  });
  port.onGone(() => leave(stop, started));
  process.on('SIGTERM', () => stop.abort());
  // Ctrl-C in a terminal reaches every process of the group; the owner decides what it means.
  process.on('SIGINT', () => undefined);
  // A scheduler whose time is up tells every process; Node's own answer to it is to open a debugger.
  process.on('SIGUSR1', () => undefined);
  // A terminal that is closed ends the owner, and that is heard: there must be time to save.
  process.on('SIGHUP', () => undefined);
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  setInterval(() => port.tell({ tell: 'alive', time: Date.now(), memory: process.memoryUsage.rss() }), HEARTBEAT);
  // Their reader may be gone before this process is: what it would have read must not end a run that is saving.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  port.tell({ tell: 'ready' });
}

// Without an owner a training saves and ends, and one that cannot end is ended; all else has nobody to answer.
function leave(stop: AbortController, started: JobRequest['kind'] | null): void {
  if (started !== 'train') exitProcess(1);
  stop.abort();
  setTimeout(() => exitProcess(1), GRACE);
}

const line = jobPort();
if (line) main(line);
else {
  process.stderr.write('This program is started by Stillhouse: run `stillhouse train`.\n');
  process.exitCode = 2;
}
