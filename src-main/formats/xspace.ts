import { StillhouseError } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';

/**
 * Reads the recording of TensorFlow's profiler from its `XSpace` (a protobuf message: field numbers below are those of
 * tensorflow/tsl xplane.proto).
 */

/** One op that ran, or one kernel that XLA made. */
export interface OpEvent {
  /** Type of the op, like `MatMul`; of a kernel of XLA its name without numbers, like `add_multiply_fusion`. */
  op: string;
  /** Its name in the graph. */
  name: string;
  /** Types and shapes of its inputs, like `float[8,5];int32[1]`; '' where they are unknown. */
  shapes: string;
  /** Microseconds since the recording began. */
  start: number;
  /** Microseconds. */
  duration: number;
  /** The same without the ops that ran inside it. */
  self: number;
}

/** The ops of one thread, by their start. */
export interface OpThread {
  name: string;
  events: OpEvent[];
}

/**
 * Reads the ops that each thread ran. Scheduling, allocation and threads without an op are left out.
 * @throws StillhouseError `internal` for bytes that are no XSpace.
 */
export function readXSpace(bytes: Uint8Array): OpThread[] {
  const planes = fieldsOf(bytes).filter(({ field }) => field === 1);
  return planes.flatMap((plane) => threadsOf(fieldsOf(bytesOf(plane))));
}

function threadsOf(plane: Field[]): OpThread[] {
  const events = namesOf(plane, 4);
  const stats = namesOf(plane, 5);
  const lines = plane
    .filter(({ field }) => field === 3)
    .map((line) => threadOf(fieldsOf(bytesOf(line)), events, stats));
  return lines.filter((thread) => thread.events.length > 0);
}

interface Named {
  name: string;
  shown: string;
}

/** A `map<int64, X…Metadata>`: what the numbers of events or of their facts are called. */
function namesOf(plane: Field[], field: number): Map<number, Named> {
  const entries = plane.filter((one) => one.field === field).map((entry) => fieldsOf(bytesOf(entry)));
  return new Map(
    entries.map((entry) => {
      const metadata = fieldsOf(bytesOf(find(entry, 2)));
      return [numberOf(find(entry, 1)), { name: textOf(find(metadata, 2)), shown: textOf(find(metadata, 4)) }];
    }),
  );
}

function threadOf(line: Field[], names: Map<number, Named>, stats: Map<number, Named>): OpThread {
  const begun = numberOf(find(line, 3)) / 1e3;
  const events = line.flatMap(({ field, value }) =>
    field === 4 && typeof value !== 'number' ? (eventOf(fieldsOf(value), begun, names, stats) ?? []) : [],
  );
  // Those that hold others come before them.
  events.sort((a, b) => a.start - b.start || b.duration - a.duration);
  withoutInner(events);
  return { name: textOf(find(line, 2)), events };
}

/** The event as an op, or null for what is none. */
function eventOf(event: Field[], begun: number, names: Map<number, Named>, stats: Map<number, Named>): OpEvent | null {
  const { name, shown } = names.get(numberOf(find(event, 1))) ?? { name: '', shown: '' };
  const facts = factsOf(event, stats);
  const op = shown || (facts.has('hlo_op') ? name.replace(/[.\d]+$/, '') : '');
  // Arguments and results are handed on, not worked out.
  if (op === '' || op === '_Arg' || op === '_Retval' || name.startsWith('end: ')) return null;
  const [start, duration] = [begun + numberOf(find(event, 2)) / 1e6, numberOf(find(event, 3)) / 1e6];
  const shapes = (facts.get('shape') ?? '').replace(/^\((.*)\)$/, '$1').replace(/^;+/, '');
  return { op, name: name.split(':')[0], shapes, start, duration, self: duration };
}

function factsOf(event: Field[], stats: Map<number, Named>): Map<string, string> {
  const facts = event.filter(({ field }) => field === 4).map((stat) => fieldsOf(bytesOf(stat)));
  return new Map(
    facts.map((fact) => {
      // A text is given itself (5), or by the number of a fact that is called so (7).
      const reference = find(fact, 7);
      const text = reference ? (stats.get(numberOf(reference))?.name ?? '') : textOf(find(fact, 5));
      return [stats.get(numberOf(find(fact, 1)))?.name ?? '', text];
    }),
  );
}

/** Takes from each event's `self` what ran inside it. */
function withoutInner(events: OpEvent[]): void {
  const open: OpEvent[] = [];
  for (const event of events) {
    while (open.length > 0 && endOf(open[open.length - 1]) <= event.start) open.pop();
    const outer = open[open.length - 1];
    if (outer) outer.self = Math.max(0, outer.self - event.duration);
    open.push(event);
  }
}

const endOf = ({ start, duration }: OpEvent): number => start + duration;

/** One field of a message: numbers as numbers, all else as bytes. */
interface Field {
  field: number;
  value: number | Uint8Array;
}

const find = (message: Field[], field: number): Field | undefined => message.find((one) => one.field === field);
const numberOf = (field: Field | undefined): number => (typeof field?.value === 'number' ? field.value : 0);
const bytesOf = (field: Field | undefined): Uint8Array =>
  field && typeof field.value !== 'number' ? field.value : new Uint8Array(0);
const decoder = new TextDecoder();
const textOf = (field: Field | undefined): string => decoder.decode(bytesOf(field));

function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length;) {
    const [key, from] = varint(bytes, at);
    const [field, kind] = [Math.floor(key / 8), key % 8];
    if (kind === 0) {
      const [value, next] = varint(bytes, from);
      fields.push({ field, value });
      at = next;
      continue;
    }
    const [length, begin] = kind === 2 ? varint(bytes, from) : [FIXED[kind] ?? NaN, from];
    if (!(begin + length <= bytes.length)) throw damaged();
    fields.push({ field, value: bytes.subarray(begin, begin + length) });
    at = begin + length;
  }
  return fields;
}

/** Bytes of the kinds of field that have a fixed length. */
const FIXED: Partial<Record<number, number>> = { 1: 8, 5: 4 };

// Numbers beyond 2⁵³ lose their last digits: only ids are that great, and none is read.
function varint(bytes: Uint8Array, from: number): [value: number, next: number] {
  let [value, scale] = [0, 1];
  for (let at = from; at < bytes.length && at < from + 10; at++) {
    value += (bytes[at] & 127) * scale;
    scale *= 128;
    if (bytes[at] < 128) return [value, at + 1];
  }
  throw damaged();
}

function damaged(): StillhouseError {
  return new StillhouseError('internal', { reason: reason('profile.unread') });
}
