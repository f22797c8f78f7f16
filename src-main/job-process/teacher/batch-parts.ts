/** Answers as a network gives them: row-major, `shape[0]` of them. */
export interface Answers {
  values: Float32Array;
  shape: readonly number[];
}

/** Rounds numbers from 0 to 255 to bytes; values that resizing has pushed outside are cut off. */
export function wholePixels(values: Float32Array): Uint8Array {
  return new Uint8Array(Uint8ClampedArray.from(values).buffer);
}

/**
 * Asks a network that takes `batch` images at a time (null: any number) for the answers to `count` images. The last
 * part is filled up with black ones; nothing is copied where the batch is whole.
 */
export async function inParts(
  images: Float32Array,
  count: number,
  batch: number | null,
  ask: (images: Float32Array, count: number) => Promise<Answers>,
): Promise<Answers> {
  const each = batch ?? count;
  if (each === count) return ask(images, count);
  const size = images.length / count;
  const parts: Answers[] = [];
  for (let first = 0; first < count; first += each) {
    const part = images.subarray(first * size, (first + each) * size);
    parts.push(await ask(filledUp(part, each * size), each));
  }
  return joined(parts, parts.length * each, count);
}

/** Asks for the answers to a batch in parts of nearly equal size, as many as may run side by side. */
export async function sideBySide(
  images: Float32Array,
  count: number,
  lanes: number,
  ask: (images: Float32Array, count: number) => Promise<Answers>,
): Promise<Answers> {
  const each = Math.ceil(count / lanes);
  if (each >= count) return ask(images, count);
  const size = images.length / count;
  const parts = Array.from({ length: Math.ceil(count / each) }, (_, index) => {
    const part = images.subarray(index * each * size, (index + 1) * each * size);
    return ask(part, part.length / size);
  });
  // All of them end before a failure is thrown: from then on the memory that they read is the caller's again.
  const ended = await Promise.allSettled(parts);
  return joined(ended.map(settled), count, count);
}

function settled<Result>(end: PromiseSettledResult<Result>): Result {
  if (end.status === 'rejected') throw end.reason;
  return end.value;
}

function filledUp(values: Float32Array, length: number): Float32Array {
  if (values.length === length) return values;
  const filled = new Float32Array(length);
  filled.set(values);
  return filled;
}

/** The answers to the first `count` of `asked` images; all there are where these are not as many as were asked for. */
function joined(parts: Answers[], asked: number, count: number): Answers {
  const [{ shape }] = parts;
  const rows = parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0);
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.values.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part.values, at);
    at += part.values.length;
  }
  if (rows !== asked) return { values, shape: [rows, ...shape.slice(1)] };
  return { values: values.subarray(0, (values.length / rows) * count), shape: [count, ...shape.slice(1)] };
}
