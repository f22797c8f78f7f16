import * as v from 'valibot';
import { FIRST, number, text } from '../protocol/shapes.ts';

/**
 * Defines the messages between a desktop shell and the service process over one channel. Windows are ports, numbered by
 * the shell; what passes through them is the window's own RPC. All of it is plain data, looked at where it arrives;
 * what is malformed is left out.
 */
const toService = v.variant('type', [
  v.object({ type: v.literal('open'), port: number }),
  v.object({ type: v.literal('message'), port: number, body: v.unknown() }),
  v.object({ type: v.literal('close'), port: number }),
  /** Where is the image with this id? Answered by `image`. */
  v.object({ type: v.literal('image'), request: number, id: text }),
  /** Stop and save what runs, then end. Answered by the end of the process. */
  v.object({ type: v.literal('end') }),
  /** From a job process that the shell started on the service's behalf: a message, what it wrote, and its end. */
  v.object({ type: v.literal('job-message'), process: number, body: v.unknown() }),
  v.object({ type: v.literal('job-output'), process: number, text }),
  v.object({
    type: v.literal('job-exit'),
    process: number,
    code: v.nullable(number),
    signal: v.nullable(text),
  }),
]);
export type ToService = v.InferOutput<typeof toService>;

const imageFile = v.object({ path: text, name: text, offset: number, size: v.nullable(number) });

const fromService = v.variant('type', [
  v.object({ type: v.literal('message'), port: number, body: v.unknown() }),
  v.object({ type: v.literal('image'), request: number, image: v.nullable(imageFile) }),
  /** How many runs are training; sent when it changes. */
  v.object({ type: v.literal('active'), runs: number }),
  /** Start a job process: only asked for where the service cannot start a process itself. */
  v.object({ type: v.literal('job-start'), process: number, env: v.record(text, text) }),
  v.object({ type: v.literal('job-message'), process: number, body: v.unknown() }),
  v.object({ type: v.literal('job-kill'), process: number }),
]);
export type FromService = v.InferOutput<typeof fromService>;

/** Reads a message from the shell; null for anything else. */
export function readToService(message: unknown): ToService | null {
  const parsed = v.safeParse(toService, message, FIRST);
  return parsed.success ? parsed.output : null;
}

/** Reads a message from the service; null for anything else. */
export function readFromService(message: unknown): FromService | null {
  const parsed = v.safeParse(fromService, message, FIRST);
  return parsed.success ? parsed.output : null;
}
