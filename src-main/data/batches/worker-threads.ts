import { parentPort, Worker, workerData } from 'node:worker_threads';
import {
  carryOut,
  failures,
  sameFileUntil,
  type DecodeWorkers,
  type WorkersResult,
  type WorkersTask,
} from './workers.ts';
import type { DecodeNow } from '../decode/decode.ts';
import { imageMaker, type ViewOptions } from '../decode/image.ts';
import { ReasonError, reason } from '../../protocol/reasons.ts';

/**
 * A crew of threads. Each has one task at a time and notes in shared memory which file it is reading. Reads block their
 * thread; one that takes too long is given up with its thread, which a new one replaces: a disk that hangs holds threads,
 * never the run.
 */
export interface WorkersOptions {
  /** Number of threads. */
  threads: number;
  /** The bundle that a thread runs; it calls {@link serveWorkers}. */
  script: string;
  /** Data from which the script makes its decoder. */
  data: unknown;
  recipe: ViewOptions & { seed: number };
  /** Milliseconds after which a file that the disk does not deliver counts as unreadable; default 30,000. */
  fileTimeout?: number;
}

/** Data with which a decode worker is started. */
interface ThreadData {
  recipe: WorkersOptions['recipe'];
  /** One number: what the thread does. {@link Note} */
  note: Int32Array;
  data: unknown;
}

/**
 * Activity of a thread: nothing (0), makes an image (1), was given up (2), or reads the file of the order of number
 * note − {@link READING}.
 */
const IDLE = 0;
const MAKING = 1;
const GIVEN_UP = 2;
const READING = 16;

interface Job {
  task: WorkersTask;
  /** Place among the orders of the caller that the first order of `task` has. */
  offset: number;
  result: WorkersResult;
  resolve(result: WorkersResult): void;
  reject(error: unknown): void;
}

interface Member {
  worker: Worker;
  note: Int32Array;
  job: Job | null;
  /** The note as last seen, and since when it has been that. */
  seen: { note: number; since: number };
}

/** Starts a crew. Threads that fail to start, or die, reject what they were to make. */
export function threadWorkers(options: WorkersOptions): DecodeWorkers {
  const { threads, fileTimeout = 30_000 } = options;
  const waiting: Job[] = [];
  const members = new Set<Member>();
  let closed = false;
  const deal = (): void => {
    for (const member of members) if (!member.job && waiting.length > 0) give(member, waiting.shift()!);
  };
  const fail = (member: Member, error: unknown): void => {
    if (!members.delete(member) || closed) return;
    member.job?.reject(error);
    for (const job of waiting.splice(0)) job.reject(error);
  };
  const start = (): void => {
    const member = startMember(options);
    members.add(member);
    // What came of a file, or null when the task is done.
    member.worker.on('message', (result: WorkersResult | null) => {
      const { job } = member;
      if (!members.has(member) || !job) return;
      if (result) return addTo(job, result);
      member.job = null;
      job.resolve(job.result);
      deal();
    });
    member.worker.on('error', (error) => fail(member, error));
    member.worker.on('exit', (code) => fail(member, new ReasonError(reason('thread.data', { code }))));
  };
  const look = (): void => {
    const now = Date.now();
    for (const member of [...members]) {
      const rest = member.job && stuckFor(member, now) >= fileTimeout && giveUp(member, fileTimeout);
      if (!rest) continue;
      members.delete(member);
      if (rest.task.orders.length > 0) waiting.unshift(rest);
      else rest.resolve(rest.result);
      start();
    }
    deal();
  };
  for (let thread = 0; thread < threads; thread++) start();
  const timer = setInterval(look, Math.min(1000, fileTimeout / 4));
  timer.unref();
  return {
    size: 2 * threads,
    make: (task) =>
      new Promise((resolve, reject) => {
        if (members.size === 0) return reject(new ReasonError(reason('thread.data-ended')));
        waiting.push({ task, offset: 0, result: { failed: [], kept: [] }, resolve, reject });
        deal();
      }),
    close: async () => {
      closed = true;
      clearInterval(timer);
      // Not awaited: a thread whose read hangs never ends.
      for (const { worker } of members) void worker.terminate();
    },
  };
}

function startMember({ script, data, recipe }: WorkersOptions): Member {
  const note = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(script, { workerData: { recipe, note, data } satisfies ThreadData });
  // A thread must not keep a process alive whose work is done.
  worker.unref();
  return { worker, note, job: null, seen: { note: IDLE, since: Date.now() } };
}

function give(member: Member, job: Job): void {
  member.job = job;
  member.seen = { note: IDLE, since: Date.now() };
  member.worker.postMessage(job.task);
}

function addTo({ result, offset }: Job, more: WorkersResult): void {
  result.failed.push(...more.failed.map((failed) => ({ ...failed, order: failed.order + offset })));
  result.kept.push(...more.kept.map(([order, pixels]): WorkersResult['kept'][number] => [order + offset, pixels]));
}

/** Milliseconds that a member has been reading one file, as far as was seen. */
function stuckFor(member: Member, now: number): number {
  const note = Atomics.load(member.note, 0);
  if (note !== member.seen.note) member.seen = { note, since: now };
  return note >= READING ? now - member.seen.since : 0;
}

/** Gives a member up unless it has gone on meanwhile. @returns what of its job is left, with what it lost as failed. */
function giveUp({ note, job, seen }: Member, timeout: number): Job | null {
  if (!job || Atomics.compareExchange(note, 0, seen.note, GIVEN_UP) !== seen.note) return null;
  const stuck = seen.note - READING;
  const { orders } = job.task;
  const end = sameFileUntil(orders, stuck);
  addTo(job, { failed: failures(stuck, end, reason('os.silent', { seconds: timeout / 1000 }), true), kept: [] });
  return { ...job, task: { ...job.task, orders: orders.slice(end) }, offset: job.offset + end };
}

/** Serves as one decode worker; `newDecoder` makes its decoder from the data the workers were given. */
export function serveWorkers<Data>(newDecoder: (data: Data) => DecodeNow): void {
  const port = parentPort!;
  const { recipe, note, data } = workerData as ThreadData;
  const maker = imageMaker(recipe, newDecoder(data as Data));
  let reading = IDLE;
  const watch = {
    reading: (order: number) => void Atomics.store(note, 0, (reading = READING + order)),
    read: (order: number) => {
      if (reading !== READING + order) return true;
      reading = MAKING;
      return Atomics.compareExchange(note, 0, READING + order, MAKING) === READING + order;
    },
  };
  port.on('message', (task: WorkersTask) => {
    for (const result of carryOut(maker, recipe.seed, task, watch))
      if (result.failed.length + result.kept.length > 0) port.postMessage(result);
    if (Atomics.load(note, 0) === GIVEN_UP) return port.close();
    Atomics.store(note, 0, IDLE);
    port.postMessage(null);
  });
}
