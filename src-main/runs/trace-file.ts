import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { diskError } from '../base/files.ts';

/**
 * `trace.json` of a run: what its processes did when, in the Trace Event Format that chrome://tracing, Perfetto and
 * Speedscope open. After each write the file is whole, so a kill costs the last moments only.
 */

/** A stretch of work of one thread. Times are milliseconds by `performance.now()`. */
export interface TraceSpan {
  name: string;
  start: number;
  end: number;
  thread: TraceThread;
  facts?: Record<string, string | number>;
}

/** Rows of the image: threads of one `process` stand together. */
export interface TraceThread {
  process: string;
  name: string;
}

export interface TraceWriter {
  span(span: TraceSpan): void;
  /** Writes what is left. */
  close(): void;
}

export interface TraceOptions {
  /** Most bytes of the file; 64 MB when left out. What comes later is left out, and the trace says so. */
  limit?: number;
  /** Bytes that are gathered before they are written; 64 kB when left out. */
  block?: number;
}

const BEGIN = '[\n';
const END = '\n]\n';

/**
 * Begins the trace of a run anew. A disk that is full ends the trace, not the run. The caller closes it.
 * @throws StillhouseError `disk.denied`
 */
export function openTrace(folder: string, { limit = 64e6, block = 64e3 }: TraceOptions = {}): TraceWriter {
  const out = wholeJson(traceFile(folder));
  const origin = performance.now();
  const rows = traceRows((event) => add(event));
  let gathered: string[] = [];
  let [waiting, written, full] = [0, 0, false];
  const flush = (): void => {
    if (gathered.length > 0) out.append(gathered);
    written += waiting;
    [gathered, waiting] = [[], 0];
  };
  const add = (event: object): void => {
    const text = JSON.stringify(event);
    waiting += text.length + 2;
    gathered.push(text);
    if (waiting > block) flush();
  };
  const micros = (time: number): number => Math.round((time - origin) * 1e3 * 1e3) / 1e3;
  return {
    span: ({ name, start, end, thread, facts }) => {
      if (full) return;
      const ids = rows(thread);
      full = written + waiting > limit;
      const shown = full ? 'the trace is full: what comes later is left out' : name;
      add({ name: shown, ph: 'X', ts: micros(start), dur: micros(end) - micros(start), ...ids, args: facts });
      if (full) flush();
    },
    close: () => {
      flush();
      out.close();
    },
  };
}

/** Returns the path of a run's trace. */
export function traceFile(folder: string): string {
  return join(folder, 'trace.json');
}

/** Numbers of processes and threads, each named when it is first met. */
function traceRows(add: (event: object) => void): (thread: TraceThread) => { pid: number; tid: number } {
  const processes = new Map<string, { pid: number; threads: Map<string, number> }>();
  const named = (kind: string, name: string, ids: object): void => add({ name: kind, ph: 'M', ...ids, args: { name } });
  return ({ process, name }) => {
    let row = processes.get(process);
    if (!row) {
      row = { pid: processes.size + 1, threads: new Map() };
      processes.set(process, row);
      named('process_name', process, { pid: row.pid });
    }
    let tid = row.threads.get(name);
    if (tid === undefined) {
      tid = row.threads.size + 1;
      row.threads.set(name, tid);
      named('thread_name', name, { pid: row.pid, tid });
    }
    return { pid: row.pid, tid };
  };
}

/** An array in a file that is closed again after each append. */
function wholeJson(path: string): { append(elements: readonly string[]): void; close(): void } {
  let file: number;
  try {
    file = openSync(path, 'w');
  } catch (error) {
    throw diskError(error, path, 0);
  }
  let [end, broken] = [0, false];
  const write = (text: string): void => {
    if (broken) return;
    const bytes = Buffer.from(text + END);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at, end + at);
      end += bytes.length - END.length;
    } catch {
      broken = true;
      cut(file, end);
    }
  };
  write(BEGIN);
  let separator = '';
  return {
    append: (elements) => {
      write(`${separator}${elements.join(',\n')}`);
      separator = ',\n';
    },
    close: () => closeSync(file),
  };
}

// The room that the cut gives back is enough for the end.
function cut(file: number, end: number): void {
  try {
    ftruncateSync(file, end);
    writeSync(file, END, end);
  } catch {
    return;
  }
}
