import { writeFileSync } from 'node:fs';
import { format } from 'prettier';
import type { DatasetSummary } from '../../src-main/protocol/data-types.ts';
import type { EpochRow } from '../../src-main/protocol/events.ts';
import { defaultRecipe, flagOf, type Recipe, type RecipeKey } from '../../src-main/protocol/recipe.ts';
import { spreadOf } from '../../src-main/train/statistics.ts';
import { ENGINE_VERSION } from '../../src-main/runs/places.ts';

/** A run of the study. */
export interface FinishedRun {
  run: string;
  arm: string;
  seed: number;
  /** The last epoch: no epoch is chosen by the images that it is scored on. */
  last: EpochRow;
  recipe: Recipe;
  /** Training and evaluation. */
  seconds: number;
}

export interface Study {
  data: DatasetSummary;
  side: number;
  epochs: number;
  /** The first is the student without a teacher. */
  arms: readonly string[];
  teacher: FinishedRun;
  runs: readonly FinishedRun[];
  machine: string;
  command: string;
}

/** Writes what came out of a study, whatever it is. */
export async function writeReport(file: string, study: Study): Promise<void> {
  writeFileSync(file, await format(reportText(study), { parser: 'markdown' }));
}

export function reportText(study: Study): string {
  const { data, side, epochs, arms, teacher, runs, machine, command } = study;
  const of = (arm: string): FinishedRun[] => runs.filter((run) => run.arm === arm);
  const seeds = of(arms[0]).length;
  const minutes = (all: readonly FinishedRun[]): number => all.reduce((sum, { seconds }) => sum + seconds, 0) / 60;
  return `# Results

A small study of whether distillation helps. \`${command}\` makes it and writes this page; nothing is typed in by hand.

**The question.** On the sample data, is a student better for having a teacher, and does the distillation token add to that?

**The answer.** ${answer(study)}

## What came out

Acc@1 in percent on ${data.val} images in a drawing style that no training image has, after the last epoch (none is picked by its score). Mean ± sample std over ${seeds} seeds.

| student | class head | distillation head | both (what decides) | gain over alone, same seed | as the teacher decides |
| --- | --- | --- | --- | --- | --- |
${arms.map((arm) => armRow(arm, of(arm), of(arms[0]))).join('\n')}
| teacher | – | – | ${teacher.last.test.acc1.toFixed(2)} | – | – |

By seed, what decides:

| student | ${of(arms[0])
    .map(({ seed }) => `seed ${seed}`)
    .join(' | ')} |
| --- | ${of(arms[0])
    .map(() => '---')
    .join(' | ')} |
${arms
  .map(
    (arm) =>
      `| ${arm} | ${of(arm)
        .map(({ last }) => last.test.acc1.toFixed(2))
        .join(' | ')} |`,
  )
  .join('\n')}

## How it was made

- Data: the sample, emoji in ${data.classes.length} of Unicode's groups: ${data.train} training images in three drawing styles, ${data.val} validation images in a fourth.
- Student: DeiT-Ti (\`${of(arms[0])[0].recipe.model}\`; with token \`${of(arms.at(-1)!)[0].recipe.model}\`) at ${side} pixels, from scratch, ${epochs} epochs.
- Teacher: \`${teacher.recipe.model}\` at ${side} pixels, ${teacher.recipe.epochs} epochs from its ImageNet weights. **The student has never seen ImageNet**, so part of what a teacher gives is what it learned there.
- _alone_: labels only. _soft_: class head, labels and the teacher's probabilities at temperature 3. _hard, no token_: class head, labels and the teacher's decisions. _hard, token_: class head learns labels, distillation head the teacher's decisions, the mean of both decides. Both losses count half. The soft loss is divided by the number of classes, as in DeiT's code.
- Nothing was tuned for one of the four: they share rate, augmentation and length. One recipe, one small data set, one kind of student; a result about more than these it is not.

Settings of all students that differ from the defaults:

\`\`\`text
${settings(of(arms[0])[0].recipe)}
\`\`\`

Machine: ${machine}, TensorFlow ${ENGINE_VERSION} on the processor, float32. Training and evaluation took ${minutes([teacher]).toFixed(1)} minutes for the teacher and ${minutes(runs).toFixed(1)} for the ${runs.length} students, beside whatever else the machine did.

## Again

\`\`\`sh
${command}
\`\`\`

What has finished is kept in the folder \`study\` of the cache and not trained again; delete it to start anew.
`;
}

/** All arms are told of: the best of three is above the first by chance alone. */
function answer({ arms, runs }: Study): string {
  const gains = arms.slice(1).map((arm) => {
    const all = gainsOf(runs, arm, arms[0]);
    return { arm, mean: spreadOf(all).mean, wins: all.filter((gain) => gain > 0).length, seeds: all.length };
  });
  const better = gains.filter(({ mean }) => mean > 0).length;
  const verdict = better === gains.length ? 'Yes' : better > 0 ? 'In part' : 'No';
  const lines = gains.map(
    ({ arm, mean, wins, seeds }) => `_${arm}_ ${signed(mean)} (above with ${wins} of ${seeds} seeds)`,
  );
  const meanOf = (name: string): number => gains.find(({ arm }) => arm === name)!.mean;
  const token = signed(meanOf('hard, token') - meanOf('hard, no token'));
  return `${verdict}. Points from the student without a teacher: ${lines.join(', ')}. With hard distillation the token changes ${token}.`;
}

function gainsOf(runs: readonly FinishedRun[], arm: string, base: string): number[] {
  const alone = new Map(runs.filter((run) => run.arm === base).map(({ seed, last }) => [seed, last.test.acc1]));
  return runs.filter((run) => run.arm === arm).map(({ seed, last }) => last.test.acc1 - alone.get(seed)!);
}

function armRow(arm: string, runs: readonly FinishedRun[], alone: readonly FinishedRun[]): string {
  const gains = arm === alone[0].arm ? [] : gainsOf([...alone, ...runs], arm, alone[0].arm);
  const cells = [
    text(runs.map(({ last }) => last.classHead.acc1)),
    text(runs.flatMap(({ last }) => last.distillationHead?.acc1 ?? [])),
    text(runs.map(({ last }) => last.test.acc1)),
    text(gains, true),
    text(runs.flatMap(({ last }) => last.agreement ?? [])),
  ];
  return `| ${arm} | ${cells.join(' | ')} |`;
}

function text(numbers: readonly number[], sign = false): string {
  if (numbers.length === 0) return '–';
  const { mean, std } = spreadOf(numbers);
  const shown = sign ? signed(mean) : mean.toFixed(2);
  return std === null ? shown : `${shown} ± ${std.toFixed(2)}`;
}

function signed(number: number): string {
  return `${number < 0 ? '−' : '+'}${Math.abs(number).toFixed(2)}`;
}

const APART: readonly RecipeKey[] = ['dataPath', 'outputDir', 'seed', 'model', 'finetune', 'teacherPath'];

function settings(recipe: Recipe): string {
  const defaults = defaultRecipe();
  const keys = (Object.keys(defaults) as RecipeKey[]).filter(
    (key) => !/^(teacher|distil)/.test(key) && !APART.includes(key),
  );
  return keys
    .filter((key) => recipe[key] !== defaults[key])
    .map((key) => `--${flagOf(key)} ${recipe[key] === '' ? "''" : recipe[key]}`)
    .join(' ');
}
