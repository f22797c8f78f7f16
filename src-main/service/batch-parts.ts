/** Answers as a network gives them: row-major, `shape[0]` of them. */
export interface Answers {
  values: Float32Array;
  shape: readonly number[];
}

/**
 * Asks a network that takes `batch` pictures at a time (null: any number) for the answers to `count` pictures. The last
 * part is filled up with black ones; nothing is copied where the batch is whole.
 */
export async function inParts(
  pictures: Float32Array,
  count: number,
  batch: number | null,
  ask: (pictures: Float32Array, count: number) => Promise<Answers>,
): Promise<Answers> {
  const each = batch ?? count;
  if (each === count) return ask(pictures, count);
  const size = pictures.length / count;
  const parts: Answers[] = [];
  for (let first = 0; first < count; first += each) {
    const part = pictures.subarray(first * size, (first + each) * size);
    parts.push(await ask(filledUp(part, each * size), each));
  }
  return joined(parts, count);
}

function filledUp(values: Float32Array, length: number): Float32Array {
  if (values.length === length) return values;
  const filled = new Float32Array(length);
  filled.set(values);
  return filled;
}

function joined(parts: Answers[], count: number): Answers {
  const [{ values: first, shape }] = parts;
  const values = new Float32Array((first.length / (shape[0] || 1)) * count);
  parts.forEach((part, index) => {
    const at = index * first.length;
    values.set(part.values.subarray(0, values.length - at), at);
  });
  return { values, shape: [count, ...shape.slice(1)] };
}
