import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { StillhouseError } from '../../protocol/errors.ts';
import { fieldOf, type Recipe } from '../../protocol/recipe.ts';
import {
  CARD_FIELDS,
  cardProblem,
  type CardField,
  type CardValues,
  type TeacherCard,
} from '../../protocol/teacher-card.ts';
import { readClassNames } from '../../weights/class-names.ts';
import { cardPath, changeTeacherCard, readTeacherCard } from '../../weights/teacher-card.ts';
import type { Command, Shell } from './command.ts';
import { withService } from './local-service.ts';
import { chooseEngine } from './engine.ts';
import { integerValue, numberOf, recipeOptions, recipeValues, textValue, type Option, type Parsed } from './options.ts';
import { scoreText } from './progress.ts';
import { inJobProcess } from './weights.ts';

/** The commands that look at teachers, of whatever kind. */

const NAME: Option = {
  flag: 'teacher-model',
  value: 'NAME',
  help: `The network of a weight file, by its timm name. Default ${String(fieldOf('teacherModel')?.default)}.`,
};

const FIELD_OPTIONS: readonly (Option & { field: CardField })[] = [
  { flag: 'input-size', field: 'inputSize', value: 'N', help: 'Side of the square image that it takes.' },
  { flag: 'layout', field: 'layout', value: 'NCHW|NHWC', choices: ['NCHW', 'NHWC'], help: 'Order of its axes.' },
  { flag: 'mean', field: 'mean', value: 'R G B', numbers: true, help: 'Taken off the pixels, which are in [0, 1].' },
  { flag: 'std', field: 'std', value: 'R G B', numbers: true, help: 'Then the pixels are divided by it.' },
  { flag: 'crop-ratio', field: 'cropRatio', value: 'X', help: 'For evaluation the shorter edge becomes size / ratio.' },
  { flag: 'interpolation', field: 'interpolation', value: 'bicubic|bilinear', choices: ['bicubic', 'bilinear'], help: 'How images are brought to its size.' }, // prettier-ignore
  { flag: 'classes', field: 'classes', value: 'FILE|DIR', help: 'Names in the order of its outputs: a text file with one a line, a JSON list or dict, or a data folder whose order it has.' }, // prettier-ignore
  { flag: 'output', field: 'output', value: 'logits|probabilities', choices: ['logits', 'probabilities'], help: 'What it answers: before or after the softmax.' }, // prettier-ignore
  { flag: 'input-name', field: 'inputName', value: 'NAME', help: 'Which of several inputs takes the images.' },
  { flag: 'output-name', field: 'outputName', value: 'NAME', help: 'Which of several outputs has the scores.' },
  { flag: 'signature', field: 'signature', value: 'NAME', help: "Which of a SavedModel's signatures is asked." },
  { flag: 'entry', field: 'entry', value: 'NAME', help: 'Which of several state dicts in a weight file, or the beginning of the names of its arrays.' }, // prettier-ignore
];

export const teacherCard: Command = {
  name: 'teacher-card',
  summary: 'Show how a teacher is shown images and read; with options, write its card first.',
  words: 'FILE',
  takesWeights: true,
  count: [1, 1],
  options: [NAME, ...FIELD_OPTIONS],
  run: async (parsed, shell) => {
    const path = resolve(parsed.words[0]);
    const given = await cardValues(parsed, shell);
    const model = textValue(parsed, 'teacher-model') ?? String(fieldOf('teacherModel')?.default);
    const writes = Object.keys(given).length > 0;
    const card = await (writes ? changeTeacherCard(path, model, given, []) : readTeacherCard(path, model));
    if (writes) shell.reporter.note(`Written: ${cardPath(path)}`);
    if (card.kind !== 'timm' && parsed.values.has('teacher-model'))
      shell.reporter.note('--teacher-model changes nothing: it names the network of a weight file.');
    shell.reporter.result(describeCard(card), { type: 'teacher-card', ...card });
  },
};

async function cardValues(parsed: Parsed, shell: Shell): Promise<CardValues> {
  const values: Record<string, unknown> = {};
  for (const { flag, field, numbers, value } of FIELD_OPTIONS) {
    const typed = textValue(parsed, flag);
    if (typed === undefined) continue;
    if (field === 'classes') values[field] = await classNames(resolve(typed), shell);
    else if (numbers)
      values[field] = typed
        .trim()
        .split(/[\s,]+/)
        .map(numberOf);
    else values[field] = value === 'N' || value === 'X' ? numberOf(typed) : typed;
    const problem = cardProblem({ [field]: values[field] });
    if (problem !== undefined) {
      // A bound helps who typed enough numbers; of others the form is said alone.
      const { key, expected: needs } = problem;
      const bound =
        typeof needs === 'string' && /^[<>]/.test(needs) ? ` (${typeof key === 'string' ? key : field}: ${needs})` : '';
      const expected = `${value}${bound}`;
      throw new StillhouseError('argument.invalid', { name: `--${flag}`, expected, got: typed });
    }
  }
  return values;
}

/** Options by which a training or an evaluation takes fields of a teacher's card. */
export const TEACHER_OPTIONS: readonly Option[] = [
  {
    flag: 'teacher-classes',
    value: 'FILE|DIR',
    help: "Names of the teacher's classes in the order of its outputs, as teacher-card --classes takes them. They are written to its card.",
  },
  {
    flag: 'teacher-entry',
    value: 'NAME',
    help: "Which of several state dicts in the teacher's file, as teacher-card --entry takes it. It is written to its card.",
  },
];

/**
 * Writes what {@link TEACHER_OPTIONS} say to the teacher's card, where they were typed.
 * @throws StillhouseError `teacher.card` when the names are not as many as the outputs, `weights.entry`.
 */
export async function describeTeacher(
  parsed: Parsed,
  { teacherPath = '', teacherModel }: Partial<Recipe>,
  shell: Shell,
): Promise<void> {
  const [typed] = TEACHER_OPTIONS.filter(({ flag }) => parsed.values.has(flag));
  if (!typed) return;
  if (teacherPath === '')
    throw new StillhouseError('argument.invalid', { name: `--${typed.flag}`, expected: '--teacher-path beside it', got: 'nothing' }); // prettier-ignore
  const [names, entry] = TEACHER_OPTIONS.map(({ flag }) => textValue(parsed, flag));
  const classes = names === undefined ? undefined : await classNames(resolve(names), shell);
  const model = teacherModel ?? String(fieldOf('teacherModel')?.default);
  await changeTeacherCard(teacherPath, model, { ...(classes && { classes }), ...(entry && { entry }) }, []);
  shell.reporter.note(`Written: ${cardPath(teacherPath)}`);
}

async function classNames(path: string, shell: Shell): Promise<string[]> {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    const { classes } = await withService(shell, ({ calls }) => calls['dataset.inspect']({ path }));
    return classes.map(({ name }) => name);
  }
  return readClassNames(path);
}

function describeCard(card: TeacherCard): string {
  const { kind, name, outputs, batch, classes, from } = card;
  const shown = (field: CardField): string => {
    const value = field === 'classes' ? namesOf(classes) : String(card[field]).replace(/,/g, ', ');
    return `  ${field.padEnd(14)}${value}  (${from[field]})`;
  };
  const fields = (Object.keys(CARD_FIELDS) as CardField[]).filter((field) => card[field] !== '');
  return [
    `${name}: ${KINDS[kind]}, ${outputs ?? 'not yet known how many'} classes, ${batch ?? 'any number of'} images at a time`,
    ...fields.map(shown),
    `Card file: ${cardPath(card.path)}`,
    ...card.notes.map(({ message }) => message),
    ...(card.kind !== 'timm' && !classes ? ['Its outputs are taken in the order of the folders of the data.'] : []),
  ].join('\n');
}

const KINDS = { timm: 'a network of the list', onnx: 'an ONNX file', savedmodel: 'a TensorFlow SavedModel' } as const;

function namesOf(classes: readonly string[] | null): string {
  if (!classes) return 'not named';
  return classes.length > 6 ? `${classes.slice(0, 6).join(', ')}, … (${classes.length})` : classes.join(', ');
}

const EVALUATED =
  /^(data-path|data-reading|data-set|inat-category|teacher-model|teacher-path|batch-size|num-workers|device)$/;

export const evaluateTeacher: Command = {
  name: 'evaluate-teacher',
  summary: "Score a teacher on a data set's validation images, prepared as its card says.",
  words: '',
  count: [0, 0],
  options: [
    ...recipeOptions()
      .filter(({ flag }) => EVALUATED.test(flag))
      .map((option) => ({ ...option, required: /-path$/.test(option.flag) })),
    ...TEACHER_OPTIONS.map((option) => ({ ...option, also: option.flag.replace('teacher-', '') })),
    { flag: 'threads', value: 'N', help: 'Threads of the engine. Default: one a core.' },
  ],
  run: async (parsed, shell) => {
    const settings = recipeValues(parsed);
    await describeTeacher(parsed, settings, shell);
    const { engine, gpu } = await chooseEngine(shell, settings.device);
    const threads = integerValue(parsed, 'threads', 1, 1024);
    const result = await inJobProcess({ kind: 'evaluate-teacher', engine, gpu, threads, settings }, shell);
    if (!result) throw new StillhouseError('job.cancelled');
    const { score, card, images, dataset } = result;
    for (const { message } of [...dataset.notes, ...dataset.warnings, ...card.notes]) shell.reporter.note(message);
    const text = `${card.name} on ${images} images of ${card.inputSize} pixels\n${scoreText(score)}`;
    shell.reporter.result(text, { type: 'result', images, ...score, card });
  },
};
