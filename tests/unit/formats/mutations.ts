import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesSource } from '../../../src-main/formats/source.ts';
import { openWeightFile } from '../../../src-main/formats/weight-file.ts';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';

/** A seeded fuzzer of weight files: real ones with a few bytes changed, cut, doubled or mixed. */

const INTERESTING = [0x00, 0x01, 0x28, 0x2e, 0x52, 0x63, 0x71, 0x7b, 0x7f, 0x80, 0x8d, 0xfe, 0xff];

/** The weight files in a folder, which are mutated. */
export function seedFiles(folder: string): Buffer[] {
  const names = readdirSync(folder).filter((name) => /\.(pth|safetensors)$/.test(name));
  return names.map((name) => readFileSync(join(folder, name)));
}

/** Numbers in [0, below), by Mulberry32. */
export function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** One of the files with one to three changes; most of them leave its length. */
export function mutate(files: readonly Buffer[], draw: (below: number) => number): Buffer {
  let bytes: Buffer = Buffer.from(files[draw(files.length)]);
  for (let left = 1 + draw(3); left > 0 && bytes.length > 0; left--) bytes = changed(bytes, files, draw);
  return bytes;
}

function changed(bytes: Buffer, files: readonly Buffer[], draw: (below: number) => number): Buffer {
  const at = draw(bytes.length);
  const length = Math.min(1 + draw(64), bytes.length - at);
  switch (draw(16)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    case 3: {
      const other = files[draw(files.length)];
      return Buffer.concat([bytes.subarray(0, at), other.subarray(draw(other.length))]);
    }
    case 4:
    case 5:
      return bytes.fill(INTERESTING[draw(INTERESTING.length)], at, at + Math.min(8, length));
    case 6:
    case 7:
      if (at + 8 <= bytes.length) bytes.writeBigUInt64LE(1n << BigInt(draw(64)), at);
      return bytes;
    case 8:
    case 9:
    case 10:
      bytes[at] = INTERESTING[draw(INTERESTING.length)];
      return bytes;
    default:
      bytes[at] ^= 1 << draw(8);
      return bytes;
  }
}

/** What came of a file: `opened`, or the code of its error. @throws whatever is not a typed error */
export function outcome(bytes: Uint8Array): string {
  try {
    const { tensors } = openWeightFile(bytesSource(bytes), 'mutated');
    for (const array of tensors.values()) array.toFloat32();
    return 'opened';
  } catch (error) {
    if (error instanceof StillhouseError && error.code.startsWith('weights.')) return error.code;
    throw error;
  }
}
