import { createHmac, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import type { PlainError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { number, plainError, text } from '../../protocol/shapes.ts';
import type { CardValues } from '../../protocol/teacher-card.ts';
import type { Precision } from '../../trace/narrow.ts';
import type { Evaluation, ScoredBatch } from '../../train/evaluate.ts';
import type { HeadSums } from '../../train/metrics.ts';
import type { Position } from '../../train/position.ts';

/**
 * The line between rank 0 and each other rank: JSON, one message a line; an empty line is a sign of life. It carries
 * what to train, states and scores, no gradients.
 */

/** Milliseconds between two signs of life, and without one after which the other side counts as lost. */
export const [BEAT, SILENCE] = [1000, 5000];

/** Says who a rank is and whom it looks for. */
export interface LineOptions {
  rank: number;
  size: number;
  /** Rank 0 listens here; port 0: any free one. */
  host: string;
  port: number;
  /** Shared by the ranks of one run alone. */
  secret: string;
  version: string;
}

/** Carries what a line's thread reports. */
export type FromLine =
  | { line: 'listening'; port: number }
  | { line: 'joined'; rank: number; host: string }
  | { line: 'message'; rank: number; body: unknown }
  | { line: 'lost'; rank: number; why: LostWhy }
  | { line: 'failed'; why: FailedWhy }
  | { line: 'closed' };

/** Carries what it is asked for; `to` null: all others. */
export type ToLine = { to: number | null; body: unknown } | 'close';

export type LostWhy = 'closed' | 'silent' | 'strange';
/** `code` is of the system, as EADDRINUSE. */
export type FailedWhy = { kind: 'listen' | 'connect' | 'refused'; code: string };

export const nonce = v.object({ nonce: text });
export const hello = v.object({ rank: number, size: number, version: text, nonce: text, proof: text });
export const welcome = v.union([v.object({ welcome: text }), v.object({ refused: text })]);

/** Proves that its writer knows the secret. */
export function proofOf(secret: string, ...facts: (string | number)[]): string {
  return createHmac('sha256', secret).update(JSON.stringify(facts)).digest('hex');
}

export function isProof(given: string, wanted: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(wanted)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** Describes the data as a rank found it. */
export const listing = v.object({
  classes: number,
  train: number,
  val: number,
  /** Hashes of the lists of files with their classes, in pieces. */
  pieces: v.array(text),
});
export type Listing = v.InferOutput<typeof listing>;

/** A sum of losses as text: JSON knows neither NaN nor infinity. */
const loss = v.pipe(text, v.transform(Number));
const headSums = v.object({ images: number, loss, top1: number, top5: number });
const scoredBatch = v.object({
  number,
  heads: v.object({
    ...{ test: headSums, classHead: headSums },
    ...{ distillationHead: v.optional(headSums), testEma: v.optional(headSums) },
  }),
  compared: number,
  alike: number,
});

/** Carries what the other ranks say to rank 0. */
export const fromOther = v.variant('say', [
  v.object({ say: v.literal('ready'), port: number, listing }),
  v.object({ say: v.literal('state'), step: number, imagesPerSecond: number, memory: number }),
  /** What was counted on the rank's part of a batch; then, that its part of the validation images is done. */
  v.object({ say: v.literal('scored'), batch: scoredBatch }),
  v.object({ say: v.literal('evaluated') }),
  v.object({ say: v.literal('note'), note: plainError }),
  v.object({ say: v.literal('stop') }),
  v.object({ say: v.literal('failed'), error: plainError }),
]);
export type FromOther = v.InferInput<typeof fromOther>;
export type HeardOther = v.InferOutput<typeof fromOther>;

/** Returns a batch as the line carries it. */
export function spoken({ heads, ...batch }: ScoredBatch): v.InferInput<typeof scoredBatch> {
  const words = (sums: HeadSums) => ({ ...sums, loss: String(sums.loss) });
  const { test, classHead, distillationHead, testEma } = heads;
  const own = { test: words(test), classHead: words(classHead) };
  const more = { distillationHead: distillationHead && words(distillationHead), testEma: testEma && words(testEma) };
  return { ...batch, heads: { ...own, ...more } };
}

/** Carries what rank 0 says to the others; it is trusted once it has proved to know the secret. */
export type FromLeader =
  | { say: 'setup'; recipe: Recipe; position: Position; kept: CardValues; excluded: string[] }
  | { say: 'go'; addresses: string[]; precision: Precision }
  | { say: 'evaluated'; result: Evaluation | null }
  /** The run is over, or this process has no part in it any more. */
  | { say: 'end'; error: PlainError | null };

const leaderSays = v.object({ say: v.picklist(['setup', 'go', 'evaluated', 'end']) });

/** Reads what rank 0 says; null for anything else. */
export function readLeader(body: unknown): FromLeader | null {
  return v.is(leaderSays, body) ? (body as FromLeader) : null;
}
