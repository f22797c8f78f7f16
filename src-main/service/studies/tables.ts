import type { RunSummary } from '../../protocol/data-types.ts';
import type { EpochRow } from '../../protocol/events.ts';
import type { Comparison, Disagreement, Spread, StudyRow, StudySpec } from '../../protocol/study.ts';
import type { KeptThroughput } from '../../protocol/throughput.ts';
import type { KeptAnswers } from '../../runs/evaluation-file.ts';
import { mcnemar, meanInterval, spreadOf } from '../../train/statistics.ts';
import type { Cell } from './cells.ts';

/** The tables of a study, as pure functions of its runs. The last epoch counts, never the best one. */

/** One training with everything that is known of it. */
export interface Trained {
  cell: Cell;
  run: RunSummary | null;
  /** Of a finished run. */
  last: EpochRow | null;
  /** Training and evaluation, over all epochs. */
  seconds: number;
  /** Answers of its last checkpoint on the validation images, where they are kept. */
  answers: KeptAnswers | null;
  /** Of class and distillation token at each place, of networks that have both. */
  tokenCosine: readonly number[] | null;
  /** How fast its network answers, where that was measured. */
  throughput: KeptThroughput | null;
}

/** Makes a row for each variant and each stage of it. The first variant is the control of each stage. */
export function rowsOf({ variants, then, seeds }: StudySpec, trained: readonly Trained[]): StudyRow[] {
  const stages = ['', ...then.map(({ name }) => name)];
  const at = (variant: string, stage: string): Trained[] =>
    trained.filter(({ cell }) => cell.variant === variant && cell.stage === stage);
  return stages.flatMap((stage) => {
    const control = at(variants[0].name, stage);
    return variants.map(({ name }, place) => ({
      ...rowOf(at(name, stage)),
      ...{ variant: name, stage, seeds: seeds.length },
      bySeed: seeds.map((seed) => at(name, stage).find(({ cell }) => cell.seed === seed)?.last?.test.acc1 ?? null),
      versus: place === 0 ? null : compared(control, at(name, stage)),
    }));
  });
}

function rowOf(all: readonly Trained[]): Omit<StudyRow, 'variant' | 'stage' | 'seeds' | 'bySeed' | 'versus'> {
  const done = all.filter(({ last }) => last !== null);
  const spread = (of: (last: EpochRow) => number | null | undefined): Spread | null => {
    const values = done.flatMap(({ last }) => of(last!) ?? []);
    return values.length > 0 ? spreadOf(values) : null;
  };
  return {
    finished: done.length,
    broken: all.filter(({ run }) => run !== null && ['failed', 'crashed', 'stopped'].includes(run.state)).length,
    parameters: done[0]?.last?.parameters ?? null,
    test: spread(({ test }) => test.acc1),
    classHead: spread(({ classHead }) => classHead.acc1),
    distillationHead: spread(({ distillationHead }) => distillationHead?.acc1),
    average: spread(({ testEma }) => testEma?.acc1),
    agreement: spread(({ agreement }) => agreement),
    tokenCosine: meanOfEach(done.flatMap(({ tokenCosine }) => (tokenCosine ? [tokenCosine] : []))),
    throughput: done.find(({ throughput }) => throughput !== null)?.throughput ?? null,
    seconds: done.length > 0 ? spreadOf(done.map(({ seconds }) => seconds)) : null,
  };
}

function meanOfEach(lists: readonly (readonly number[])[]): number[] | null {
  if (lists.length === 0) return null;
  return lists[0].map((_, place) => spreadOf(lists.map((list) => list[place])).mean);
}

/** Compares seed by seed; null where no seed has finished in both. */
function compared(control: readonly Trained[], all: readonly Trained[]): Comparison | null {
  const pairs = all.flatMap((one) => {
    const base = control.find(({ cell, last }) => cell.seed === one.cell.seed && last !== null);
    return base && one.last ? [{ base, one }] : [];
  });
  if (pairs.length === 0) return null;
  const differences = pairs.map(({ base, one }) => one.last!.test.acc1 - base.last!.test.acc1);
  return {
    difference: spreadOf(differences),
    interval: meanInterval(differences),
    mcnemar: pairs.flatMap(({ base, one }) => {
      const counts = base.answers && one.answers && onSameImages(base.answers, one.answers);
      return counts ? [{ seed: one.cell.seed, ...counts, p: mcnemar(counts.gained, counts.lost) }] : [];
    }),
  };
}

/** Counts the images that one of two models alone decides right; null where they saw other images. */
function onSameImages(base: KeptAnswers, one: KeptAnswers): { gained: number; lost: number } | null {
  if (!sameImages(base, one)) return null;
  const [before, after] = [decisionsOf(base, 'test'), decisionsOf(one, 'test')];
  if (!before || !after) return null;
  let [gained, lost] = [0, 0];
  base.labels.forEach((label, row) => {
    if (before[row] === label && after[row] !== label) lost++;
    if (before[row] !== label && after[row] === label) gained++;
  });
  return { gained, lost };
}

function sameImages(one: KeptAnswers, other: KeptAnswers): boolean {
  return (
    one.files.length === other.files.length &&
    one.files.every((file, row) => file === other.files[row] && one.labels[row] === other.labels[row]) &&
    one.classes.every((name, label) => name === other.classes[label])
  );
}

function decisionsOf(answers: KeptAnswers, head: string): Int32Array | null {
  const top = answers.heads.get(head)?.top;
  return top ? Int32Array.from(answers.labels, (_, row) => top[row * answers.kept]) : null;
}

/** Heads by their names in a table of who disagrees with whom (table 4 of the paper). */
const DECIDERS = ['class', 'distillation', 'test'] as const;

/**
 * Counts on how many images each decides differently from each: labels, teacher, and the heads of every variant's own
 * training, as means over the seeds. Null where fewer than two seeds' answers are on the same images.
 */
export function disagreementOf({ variants, seeds }: StudySpec, trained: readonly Trained[]): Disagreement | null {
  const ofSeed = seeds.map((seed) => decidersOf(variants.map(({ name }) => name), trained.filter(({ cell }) => cell.seed === seed && cell.stage === ''))); // prettier-ignore
  const names = [...new Set(ofSeed.flatMap((deciders) => [...deciders.keys()]))];
  if (names.length < 3) return null;
  const percent = names.map((one) =>
    names.map((other) => {
      const shares = ofSeed.flatMap((deciders) => shareApart(deciders.get(one), deciders.get(other)) ?? []);
      return shares.length > 0 ? spreadOf(shares).mean : null;
    }),
  );
  return { names, percent };
}

function decidersOf(variants: readonly string[], trained: readonly Trained[]): Map<string, Int32Array> {
  const deciders = new Map<string, Int32Array>();
  const first = trained.find(({ answers }) => answers !== null)?.answers;
  if (!first) return deciders;
  deciders.set('labels', first.labels);
  const teachers = new Set(trained.flatMap(({ cell }) => cell.recipe.teacherPath || []));
  for (const variant of variants) {
    const answers = trained.find(({ cell, answers }) => cell.variant === variant && answers !== null)?.answers;
    if (!answers || !sameImages(first, answers)) continue;
    const teacher = decisionsOf(answers, 'teacher');
    if (teacher) deciders.set(teachers.size > 1 ? `${variant} · teacher` : 'teacher', teacher);
    const heads = answers.heads.has('distillation') ? DECIDERS : (['test'] as const);
    for (const head of heads) {
      const decided = decisionsOf(answers, head);
      if (decided) deciders.set(head === 'test' ? variant : `${variant} · ${head}`, decided);
    }
  }
  return deciders;
}

/** Percent of images on which two decide differently; null where one did not decide. */
function shareApart(one: Int32Array | undefined, other: Int32Array | undefined): number | null {
  if (!one || !other || one.length === 0) return null;
  let apart = 0;
  one.forEach((decision, row) => (apart += decision === other[row] ? 0 : 1));
  return (100 * apart) / one.length;
}
