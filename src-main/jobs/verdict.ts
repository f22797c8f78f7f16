import { StillhouseError, reasonOf } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import type { JobRequest } from './job-protocol.ts';
import { memoryError, tellsOfMemory } from './out-of-memory.ts';

/** Says how a process has ended. */
export interface Exit {
  code: number | null;
  signal: string | null;
  /** Why it could not be started. */
  failure?: unknown;
  /** Whoever started it has ended it; `because` is what is to be said of that. */
  killed?: { because: StillhouseError | null };
}

/** Describes the memory of a process that has ended. */
export interface MemoryFacts {
  /** Resident bytes as it said last; 0 while unknown. */
  resident: number;
  /** How many processes the kernel has ended for want of memory while it ran. */
  kernelKills: number;
}

/**
 * Judges the end of a job process that said neither what it made nor what went wrong.
 * @param lastWords the end of what it wrote to its outputs.
 * @returns the error for whoever waits for the job, with advice.
 */
export function verdictOf(job: JobRequest, exit: Exit, lastWords: string, memory: MemoryFacts): StillhouseError {
  const { signal, failure, killed } = exit;
  if (killed?.because) return killed.because;
  if (killed) return died(job, reason('process.killed', { signal: 'SIGKILL' }));
  if (failure !== undefined) return died(job, reasonOf(failure));
  if (signal === 'SIGKILL') {
    if (memory.kernelKills > 0) return starved(job, reason('process.ended'), memory);
    return died(job, reason('process.killed-memory', { signal }));
  }
  const how = withWords(exit, lastWords);
  return tellsOfMemory(lastWords) || WITHOUT_MEMORY.includes(windowsEnd(exit) ?? '')
    ? starved(job, how, memory)
    : died(job, how);
}

function died({ kind }: JobRequest, how: Reason | string): StillhouseError {
  return new StillhouseError(kind === 'train' ? 'run.died' : 'job.died', { reason: how });
}

function starved(job: JobRequest, how: Reason, { resident }: MemoryFacts): StillhouseError {
  if (job.kind === 'train') return memoryError(job.recipe, how, resident);
  return new StillhouseError('job.out-of-memory', { reason: how });
}

function withWords({ code, signal }: Exit, lastWords: string): Reason {
  const how = endOf({ code, signal });
  const words = telling(lastWords);
  return words ? reason('process.last-words', { how, words }) : how;
}

function endOf({ code, signal }: Exit): Reason {
  if (signal) return reason('process.killed', { signal });
  const name = windowsEnd({ code, signal });
  if (name === null) return reason('process.exit', { code: String(code) });
  return reason('process.windows', { code: `0x${(code! >>> 0).toString(16).toUpperCase()}`, name });
}

/** The statuses of Windows that end a process which did not end itself, by their names in `ntstatus.h`. */
const WINDOWS_ENDS: Readonly<Record<number, string>> = {
  0xc0000005: 'STATUS_ACCESS_VIOLATION',
  0xc0000006: 'STATUS_IN_PAGE_ERROR',
  0xc0000017: 'STATUS_NO_MEMORY',
  0xc000001d: 'STATUS_ILLEGAL_INSTRUCTION',
  0xc000009a: 'STATUS_INSUFFICIENT_RESOURCES',
  0xc00000fd: 'STATUS_STACK_OVERFLOW',
  0xc000012d: 'STATUS_COMMITMENT_LIMIT',
  0xc0000135: 'STATUS_DLL_NOT_FOUND',
  0xc0000139: 'STATUS_ENTRYPOINT_NOT_FOUND',
  0xc000013a: 'STATUS_CONTROL_C_EXIT',
  0xc0000374: 'STATUS_HEAP_CORRUPTION',
  0xc0000409: 'STATUS_STACK_BUFFER_OVERRUN',
};
const WITHOUT_MEMORY = ['STATUS_NO_MEMORY', 'STATUS_INSUFFICIENT_RESOURCES', 'STATUS_COMMITMENT_LIMIT'];

// Electron tells of the same number with a sign. No program of ours ends with one so large.
function windowsEnd({ code }: Exit): string | null {
  return code === null ? null : (WINDOWS_ENDS[code >>> 0] ?? null);
}

/** The last line; of V8's, which a trace of the stack follows, the one that tells of memory. */
function telling(lastWords: string): string | undefined {
  const lines = lastWords.split('\n').flatMap((line) => line.trim() || []);
  return lines.filter(tellsOfMemory).at(-1) ?? lines.at(-1);
}
