import { basename } from 'node:path';
import { isModel, modelCard } from '../../model/zoo.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { PRESETS } from '../../protocol/presets.ts';
import { defaultRecipe, fieldOf, parseRecipe, type Recipe } from '../../protocol/recipe.ts';
import {
  parseStudy,
  type StudyRequest,
  type StudySpec,
  type StudyTemplate,
  type Variant,
} from '../../protocol/study.ts';

interface Parts {
  variants: { name: string; changes: Partial<Recipe> }[];
  base?: Partial<Recipe>;
  measure?: StudySpec['measure'];
}
type Template = (asked: StudyRequest, base: Partial<Recipe>) => Parts;

/** A study of each kind of the paper, by the number of its table, and free ones. */
const TEMPLATES: Readonly<Record<StudyTemplate, Template>> = {
  // Table 2.
  'which-teacher': ({ teachers = [] }, base) => {
    need('which-teacher', 'study.teachers', teachers.length >= 2);
    const changes = teachers.map((teacher) => teacherOf(teacher));
    const names = distinct(changes.map(({ teacherModel, teacherPath }) => teacherModel ?? basename(teacherPath)));
    return { base: { distillationType: taughtWay(base) }, variants: changes.map((change, at) => ({ name: names[at], changes: change })) }; // prettier-ignore
  },
  // Table 3.
  'which-distillation': (_, base) => {
    needTeacher('which-distillation', base);
    const { plain, distilled } = twins(base);
    return {
      variants: [
        { name: 'none', changes: { model: plain, distillationType: 'none', teacherPath: '' } },
        { name: 'soft', changes: { model: plain, distillationType: 'soft', distillationTau: 3 } },
        { name: 'hard', changes: { model: plain, distillationType: 'hard' } },
        { name: 'hard with token', changes: { model: distilled, distillationType: 'hard' } },
      ],
    };
  },
  // Table 4.
  agreement: (_, base) => {
    needTeacher('agreement', base);
    const { plain, distilled } = twins(base);
    return {
      variants: [
        { name: 'without teacher', changes: { model: plain, distillationType: 'none', teacherPath: '' } },
        { name: 'distilled', changes: { model: distilled, distillationType: 'hard' } },
      ],
    };
  },
  // Section 4: the control of two class tokens comes first.
  tokens: (_, base) => {
    needTeacher('tokens', base);
    const { distilled } = twins(base);
    const untaught = { distillationType: 'none', teacherPath: '' } as const;
    return {
      variants: [
        { name: 'two class tokens', changes: { model: distilled, ...untaught, twoClassTokens: true } },
        { name: 'class and distillation token', changes: { model: distilled, distillationType: 'hard' } },
      ],
    };
  },
  // Table 5 and figure 1.
  speed: ({ models = [] }) => {
    need('speed', 'study.models', models.length >= 2);
    return { variants: models.map((model) => ({ name: model, changes: { model } })), measure: ['throughput'] };
  },
  // Table 7.
  transfer: ({ data = [] }, base) => {
    need('transfer', 'study.data', data.length >= 1);
    need('transfer', 'study.finetune', (base.finetune ?? '') !== '');
    const names = distinct(data.map((path) => basename(path)));
    return { variants: data.map((dataPath, at) => ({ name: names[at], changes: { dataPath } })) };
  },
  // Table 8.
  ablation: (_, base) => ({ variants: ABLATIONS.filter(({ changes }) => differs(changes, base)) }),
  // Figure 3.
  'how-long': ({ epochs = [] }) => {
    need('how-long', 'study.epochs', epochs.length >= 2);
    return {
      variants: epochs.map((count) => ({
        name: count === 1 ? '1 epoch' : `${count} epochs`,
        changes: { epochs: count },
      })),
    };
  },
  grid: ({ grid = {} }) => {
    need(
      'grid',
      'study.grid',
      Object.values(grid).some((values) => values.length >= 2),
    );
    return { variants: product(grid) };
  },
  'learning-rate': ({ grid = {} }, base) => {
    const lr = base.lr ?? defaultRecipe().lr;
    return { variants: product({ lr: grid['lr'] ?? [lr / 4, lr / 2, lr, lr * 2, lr * 4].map(rounded) }) };
  },
};

const ABLATIONS: readonly Variant[] = [
  { name: 'the recipe', changes: {} },
  { name: 'SGD', changes: { opt: 'sgd' } },
  { name: 'no RandAugment', changes: { aa: '' } },
  { name: 'AutoAugment', changes: { aa: 'original' } },
  { name: 'no Mixup', changes: { mixup: 0 } },
  { name: 'no CutMix', changes: { cutmix: 0 } },
  { name: 'no Mixup, no CutMix', changes: { mixup: 0, cutmix: 0 } },
  { name: 'no random erasing', changes: { reprob: 0 } },
  { name: 'no stochastic depth', changes: { dropPath: 0 } },
  { name: 'no repeated augmentation', changes: { repeatedAug: false } },
  { name: 'dropout', changes: { drop: 0.1 } },
  { name: 'EMA', changes: { modelEma: true } },
];

/**
 * Makes a study of a kind. What the paper's table compares and `base` does not say is taken from its recipe.
 * @throws StillhouseError `study.needs`, and as {@link parseStudy}.
 */
export function makeStudy(template: StudyTemplate, asked: StudyRequest): StudySpec {
  const base: Partial<Recipe> = asked.base;
  parseRecipe({ ...base });
  const { variants, base: own, measure } = TEMPLATES[template](asked, base);
  return parseStudy({
    ...{ name: template, template, base: { ...base, ...own }, variants, then: tuningOf(asked), measure },
    seeds: Array.from({ length: asked.seeds ?? 3 }, (_, seed) => seed),
  });
}

/** The paper fine-tunes at a higher resolution by the settings of the preset. */
function tuningOf({ finetuneSize, finetuneEpochs }: StudyRequest): Variant[] {
  if (finetuneSize === undefined) return [];
  const { values } = PRESETS.find(({ id }) => id === 'fine-tune')!;
  const epochs = finetuneEpochs ?? values.epochs!;
  return [{ name: `fine-tuned at ${finetuneSize}`, changes: { ...values, epochs, inputSize: finetuneSize } }];
}

function need(
  template: StudyTemplate,
  what:
    | 'study.teachers'
    | 'study.models'
    | 'study.data'
    | 'study.finetune'
    | 'study.epochs'
    | 'study.grid'
    | 'study.teacher',
  there: boolean,
): void {
  if (!there) throw new StillhouseError('study.needs', { template, what: reason(what) });
}

function needTeacher(template: StudyTemplate, base: Partial<Recipe>): void {
  need(template, 'study.teacher', (base.teacherPath ?? '') !== '');
}

/** A table of teachers needs students that are taught: hard where the base says nothing of it. */
function taughtWay({ distillationType }: Partial<Recipe>): Recipe['distillationType'] {
  return distillationType && distillationType !== 'none' ? distillationType : 'hard';
}

function teacherOf(given: string): { teacherPath: string; teacherModel?: string } {
  const at = given.indexOf('=');
  const model = given.slice(0, Math.max(at, 0));
  return isModel(model) ? { teacherModel: model, teacherPath: given.slice(at + 1) } : { teacherPath: given };
}

/** The same network without and with a distillation token. @throws StillhouseError `study.needs` where there is only one. */
function twins({ model = defaultRecipe().model }: Partial<Recipe>): { plain: string; distilled: string } {
  const plain = model.replace('_distilled', '');
  const distilled = plain.replace(/_(?=patch)/, '_distilled_');
  if (!isModel(plain) || !isModel(distilled) || !modelCard(distilled).distilled)
    throw new StillhouseError('study.needs', {
      template: 'which-distillation',
      what: reason('study.twins', { model }),
    });
  return { plain, distilled };
}

/** A change that is none, since the recipe has it already, would compare the recipe with itself. */
function differs(changes: Record<string, unknown>, base: Partial<Recipe>): boolean {
  const keys = Object.keys(changes);
  const whole = parseRecipe({ ...base });
  const changed = parseRecipe({ ...base, ...changes });
  return keys.length === 0 || keys.some((key) => whole[key as keyof Recipe] !== changed[key as keyof Recipe]);
}

/** Every combination of the values of some settings. */
function product(grid: NonNullable<StudyRequest['grid']>): Variant[] {
  let variants: Variant[] = [{ name: '', changes: {} }];
  for (const [key, values] of Object.entries(grid)) {
    if (!fieldOf(key)) throw new StillhouseError('recipe.unknown-key', { key });
    variants = variants.flatMap(({ name, changes }) =>
      values.map((value) => ({
        name: `${name && `${name}, `}${key} ${value}`,
        changes: { ...changes, [key]: value },
      })),
    );
  }
  return variants;
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

/** Names of which each is another: a second one gets its number. */
function distinct(names: readonly string[]): string[] {
  return names.map((name, at) => {
    const before = names.slice(0, at).filter((other) => other === name).length;
    return before > 0 ? `${name} (${before + 1})` : name;
  });
}
