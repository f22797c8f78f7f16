import type { FindingKind } from '../../protocol/data-types.ts';
import type { Sample } from '../layout/sample.ts';
import { reason, type Reason } from '../../protocol/reasons.ts';

/** An image in a finding, with what is wrong with it. */
export interface FoundFile {
  kind: FindingKind;
  file: string;
  /** Empty where the kind says it all. */
  reason: Reason | string;
}

/** Bytes of a hash. */
const HASH = 16;

/**
 * Finds images whose files are the same byte for byte, from the first 16 bytes of their hashes. Of each such group:
 * with different labels every image is a `conflict`; a training image that is in val too is a `leak`; and what comes
 * again within a split is a `duplicate`.
 * @param train how many of the samples, the first, are for training.
 * @param hashes of the samples, 16 bytes each, zero for those that could not be read.
 */
export function findDuplicates(
  samples: readonly Sample[],
  train: number,
  hashes: Buffer,
  classes: readonly string[],
): FoundFile[] {
  const words = new Uint32Array(hashes.buffer, hashes.byteOffset, (samples.length * HASH) / 4);
  const compare = (a: number, b: number): number => {
    for (let word = 0; word < HASH / 4; word++) {
      const difference = words[a * 4 + word] - words[b * 4 + word];
      if (difference !== 0) return difference;
    }
    return 0;
  };
  const isHashed = (index: number): boolean => words.subarray(index * 4, index * 4 + 4).some((word) => word !== 0);
  const order = Uint32Array.from(samples.keys())
    .filter(isHashed)
    .sort((a, b) => compare(a, b) || a - b);
  const found: FoundFile[] = [];
  for (let start = 0, end = 1; start < order.length; start = end) {
    for (end = start + 1; end < order.length && compare(order[start], order[end]) === 0;) end++;
    if (end - start > 1) describeGroup(samples, train, order.subarray(start, end), classes, found);
  }
  return found;
}

/** @param group places of samples, in their order: those for training come first. */
function describeGroup(
  samples: readonly Sample[],
  train: number,
  group: Uint32Array,
  classes: readonly string[],
  found: FoundFile[],
): void {
  const [first] = group;
  const inVal = group.find((index) => index >= train);
  const ofOther = group.find((index) => samples[index].label !== samples[first].label);
  for (const index of group) {
    const { file, label } = samples[index];
    if (ofOther !== undefined) {
      const { file: same, label: other } = samples[label === samples[first].label ? ofOther : first];
      found.push({
        kind: 'conflict',
        file,
        reason: reason('image.same-other-class', { file: same, class: classes[other] }),
      });
    }
    if (index < train && inVal !== undefined)
      found.push({ kind: 'leak', file, reason: reason('image.same', { file: samples[inVal].file }) });
    if (index === first || index === inVal) continue;
    const earlier = index >= train ? inVal! : first;
    found.push({ kind: 'duplicate', file, reason: reason('image.same', { file: samples[earlier].file }) });
  }
}
