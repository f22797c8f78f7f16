import { EventEmitter } from 'node:events';
import { StillhouseError, toPlainError } from '../protocol/errors.ts';
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
import { readJobCommand, type JobEvent, type JobRequest, type JobResult } from '../jobs/job-protocol.ts';
import { runVerifyJob } from './jobs/verify-job.ts';
import { PauseSwitch } from './training/pause-switch.ts';
import type { JobPort } from './job-port.ts';
import type { JobContext } from './job-context.ts';

const HEARTBEAT = 1000;

/** A line on which one job is done. */
export interface ServedLine {
  /** Asks the job to save and end. */
  stop(): void;
  /** Tells of a failure, and ends. */
  fail(error: unknown): void;
  /** Returns the kind of the job; null before it has come. */
  kind(): JobRequest['kind'] | null;
}

/** Does the one job that comes on a line, as the commands there say. @param exit ends it all, when everything is said */
export function serveLine(port: JobPort, exit: (code: number) => void): ServedLine {
  const stop = new AbortController();
  const pause = new PauseSwitch();
  const beat = () => port.tell({ tell: 'alive', time: Date.now(), memory: process.memoryUsage.rss() });
  const beats = setInterval(beat, HEARTBEAT);
  const finish = async (event: JobEvent, code: number): Promise<void> => {
    port.tell(event);
    await port.flush();
    clearInterval(beats);
    exit(code);
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
  return { stop: () => stop.abort(), fail, kind: () => started };
}

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
