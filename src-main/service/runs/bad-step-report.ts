import { readFileSync, statSync } from 'node:fs';
import * as v from 'valibot';
import { badStep, type BadStep } from '../../protocol/data-types.ts';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { reason, type Reason } from '../../protocol/reasons.ts';
import { FIRST, whatIsWrong } from '../../protocol/shapes.ts';
import { badStepFile } from '../../runs/bad-step.ts';
import { parseOwnJson } from '../../runs/own-json.ts';
import type { Datasets } from '../data/datasets.ts';

/** A batch of the largest size, each image with a long path. */
const MOST_BYTES = 32 * 2 ** 20;

/** As it was written: ids and place are of this service. */
const written = v.object({
  ...v.omit(badStep, ['path', 'images']).entries,
  images: v.array(v.object({ file: v.string(), class: v.string() })),
});

/**
 * Reports the batch at which a run ended; its images have the ids by which windows see them.
 * @throws StillhouseError `run.bad-step` where the file is missing or damaged.
 */
export async function badStepReport(run: string, datasets: Datasets): Promise<BadStep> {
  const path = badStepFile(run);
  const bad = readBadStep(path);
  const ids = await datasets.named(
    bad.dataPath,
    bad.images.map(({ file }) => file),
  );
  return { ...bad, path, images: bad.images.map((image, at) => ({ ...image, id: ids[at] })) };
}

function readBadStep(path: string): v.InferOutput<typeof written> {
  const refuse = (why: Reason, cause?: unknown) =>
    new StillhouseError('run.bad-step', { path, reason: why }, cause === undefined ? {} : { cause });
  let given: unknown;
  try {
    if (statSync(path).size > MOST_BYTES) throw refuse(reason('file.too-large'));
    given = parseOwnJson(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof StillhouseError) throw error;
    throw refuse(error instanceof SyntaxError ? reason('file.not-json') : reasonOf(error), error);
  }
  const parsed = v.safeParse(written, given, FIRST);
  if (parsed.success) return parsed.output;
  const { name, expected, got } = whatIsWrong(parsed.issues[0], 'it');
  throw refuse(reason('value.wrong', { name, expected, got }));
}
