import { StillhouseError, reasonOf } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { platform } from './loader.ts';
import type { TensorFlow } from './tensorflow.ts';
import type { Pointer, Tf } from './library.ts';

/** Notes of TensorFlow from while something ran. */
export interface Recording {
  /** A serialised `XSpace`: every op of every thread, with its shapes. Its times count from `started`. */
  space: Uint8Array;
  /** `performance.now()` when the recording began. */
  started: number;
}

/** `ProfileOptions`: version 1, and of the threads all that the ops say, their shapes too. */
const OPTIONS = Uint8Array.of((5 << 3) | 0, 1, (2 << 3) | 0, 3);
/** Room for a message of protobuf or a status; the greatest has 96 bytes. */
const PLACE = 512;
/** An `absl::Status` that holds no error. */
const OK = 1n;

/**
 * Runs `body` while TensorFlow records what each of its threads does, which slows it by some percent. Only one
 * recording runs at a time.
 * @returns what the body gave, and the recording or a StillhouseError `engine.op` that says why there is none.
 */
export async function recordOps<Result>(
  { tf }: TensorFlow,
  body: () => Promise<Result>,
): Promise<{ result: Result; recording: Recording | Error }> {
  const session = attempt(() => startSession(tf));
  if (session instanceof Error) return { result: await body(), recording: session };
  try {
    const started = performance.now();
    const result = await body();
    return { result, recording: attempt(() => ({ space: collect(tf, session), started })) };
  } finally {
    tf.profiler.deleteSession(session);
    tf.libc.free(session);
  }
}

function startSession({ profiler, libc }: Tf): Pointer {
  if (!platform().profiler) throw refused(reason('profile.platform'));
  return withPlace(libc, (options) => {
    profiler.newOptions(options, null);
    try {
      profiler.parse(options, OPTIONS, OPTIONS.length);
      return firstOf(profiler.start(options));
    } finally {
      profiler.deleteOptions(options);
    }
  });
}

function collect({ profiler, libc }: Tf, session: Pointer): Uint8Array {
  return withPlace(libc, (space) => {
    profiler.newSpace(space, null);
    try {
      if (firstOf(profiler.collect(session, space)) !== OK) throw refused(reason('profile.collect'));
      return bytesOf({ profiler, libc }, space);
    } finally {
      profiler.deleteSpace(space);
    }
  });
}

function bytesOf({ profiler, libc }: Pick<Tf, 'profiler' | 'libc'>, message: Pointer): Uint8Array {
  // Measured by the first call, which has no room to write.
  profiler.serialize(message, null, 0);
  const bytes = new Uint8Array(profiler.size(message) as number);
  const block = libc.malloc(bytes.length + 1) as Pointer;
  try {
    if (!profiler.serialize(message, block, bytes.length)) throw refused(reason('profile.write'));
    libc.copyIn(bytes, block, bytes.length);
    return bytes;
  } finally {
    libc.free(block);
  }
}

/** The pointer that an object holds alone. */
const firstOf = (returned: unknown): Pointer => BigInt((returned as { value: number | bigint }).value);

function withPlace<Result>(libc: Tf['libc'], body: (place: Pointer) => Result): Result {
  const place = libc.malloc(PLACE) as Pointer;
  try {
    return body(place);
  } finally {
    libc.free(place);
  }
}

// A library of another build may lack the names.
function attempt<Result>(body: () => Result): Result | Error {
  try {
    return body();
  } catch (error) {
    return error instanceof StillhouseError ? error : refused(reasonOf(error));
  }
}

function refused(why: Reason): StillhouseError {
  return new StillhouseError('engine.op', { op: 'the profiler', reason: why });
}
