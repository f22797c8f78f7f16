import type { Sample } from './sample.ts';
import { compareCodePoints } from '../../base/name-order.ts';

/**
 * Sets a tenth of each class aside, at least one image where the class has two. Which ones depends on their names
 * and the seed alone, so that the split is the same everywhere and adding an image moves few others.
 */
export function stratifiedSplit(samples: readonly Sample[], seed = 0): { train: Sample[]; val: Sample[] } {
  const byClass = new Map<number, Sample[]>();
  for (const sample of samples) {
    const group = byClass.get(sample.label);
    if (group) group.push(sample);
    else byClass.set(sample.label, [sample]);
  }
  const start = seed === 0 ? '' : `${seed}\n`;
  const chosen = new Set<Sample>();
  for (const group of byClass.values()) {
    const share = group.length < 2 ? 0 : Math.max(1, Math.round(group.length / 10));
    const ranked = group.map((sample) => ({ sample, rank: hashOf(start + sample.file) }));
    ranked.sort((a, b) => a.rank - b.rank || compareCodePoints(a.sample.file, b.sample.file));
    for (const { sample } of ranked.slice(0, share)) chosen.add(sample);
  }
  return {
    train: samples.filter((sample) => !chosen.has(sample)),
    val: samples.filter((sample) => chosen.has(sample)),
  };
}

// FNV-1a over UTF-16 units, then a finalizer: names that differ at the end only must not rank in order.
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
