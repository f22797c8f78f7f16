import { drawCrop, drawTrain } from '../../src-main/data/augment/augment.ts';
import { parsePolicy } from '../../src-main/data/augment/auto-augment.ts';
import { drawErase } from '../../src-main/data/augment/erase.ts';
import { drawMix, type MixDraw, type MixOptions } from '../../src-main/data/augment/mix.ts';
import type { OperationName } from '../../src-main/data/augment/pixel-ops.ts';
import { Random } from '../../src-main/data/random.ts';

/** Our draws under the names of `tests/parity/timm_draws.py`: numbers, or choices as texts. */
export type Drawn = Map<string, (number | string)[]>;

const SIDE = 224;
const WITHOUT_AMOUNT = new Set<OperationName>(['autoContrast', 'equalize', 'invert']);
const POLICIES = ['rand-m9-mstd0.5-inc1', 'rand-m7-n3-p0.7', 'original-mstd0.5', 'v0'];
const NONE: MixOptions = { mixup: 0, cutmix: 0, mixupProb: 1, mixupSwitchProb: 0.5, mixupMode: 'batch' };
const MIXES: Record<string, MixOptions> = {
  mixup: { ...NONE, mixup: 0.8 },
  cutmix: { ...NONE, cutmix: 1 },
  both: { ...NONE, mixup: 0.8, cutmix: 1, mixupProb: 0.9, mixupSwitchProb: 0.3 },
  minmax: { ...NONE, cutmixMinmax: [0.2, 0.8] },
};

type Note = (name: string, value: number | string) => void;

/** Draws everything `count` times; each draw is that of another image of an epoch. */
export function ourDraws(count: number, seed: number): Drawn {
  const drawn: Drawn = new Map();
  const note: Note = (name, value) => {
    const values = drawn.get(name) ?? [];
    drawn.set(name, values);
    values.push(value);
  };
  for (let index = 0; index < count; index++) {
    const draws = (epoch: number): Random => new Random(seed, 'augment', epoch, index);
    noteCrop(draws(0), 500, 375, '', note);
    noteCrop(draws(1), 100, 20, ' of a strip', note);
    POLICIES.forEach((text, place) => notePolicy(draws(2 + place), text, note));
    noteErase(new Random(seed, 'erase', 0, index), note);
    noteThree(draws(9), note);
    for (const [name, options] of Object.entries(MIXES))
      noteBatch(new Random(seed, 'mix', 0, index), name, options, note);
  }
  for (const [name, options] of Object.entries(MIXES))
    for (const mixupMode of ['pair', 'elem'] as const) {
      const length = mixupMode === 'pair' ? 2 * count : count + (count % 2);
      const all = drawMix(new Random(seed, 'mix', mixupMode === 'pair' ? 1 : 2, 0), length, SIDE, {
        ...options,
        mixupMode,
      });
      for (const one of all.slice(0, count)) noteMix(`${name} ${mixupMode}`, one, note);
    }
  return drawn;
}

function noteCrop(draws: Random, width: number, height: number, label: string, note: Note): void {
  const crop = drawCrop(draws, width, height, 0.08);
  note(`crop area${label}`, (crop.width * crop.height) / (width * height));
  note(`crop aspect${label}`, Math.log(crop.width / crop.height));
  note(`crop left${label}`, crop.left);
  note(`crop top${label}`, crop.top);
}

function notePolicy(draws: Random, text: string, note: Note): void {
  const drawn = parsePolicy(text)!.draw(draws, SIDE, SIDE);
  note(`${text} operations`, drawn.map(({ name }) => name).join(' ') || 'none');
  for (const { name, amount } of drawn) if (!WITHOUT_AMOUNT.has(name)) note(`${text} ${name}`, amount);
}

function noteErase(draws: Random, note: Note): void {
  const boxes = drawErase(draws, SIDE, SIDE, { reprob: 0.25, recount: 3 });
  note('erased boxes', String(boxes.length));
  for (const { left, top, width, height } of boxes) {
    note('erased area', (width * height) / SIDE ** 2);
    note('erased aspect', Math.log(width / height));
    note('erased left', left);
    note('erased top', top);
  }
}

function noteThree(draws: Random, note: Note): void {
  const options = { inputSize: SIDE, scaleMin: 0.08, hflip: 0.5, colorJitter: 0.3, threeAugment: true };
  const { flip, operations } = drawTrain(draws, 500, 375, options);
  const [choice, ...jitter] = operations;
  note('flip', String(flip));
  note('three choice', choice.name);
  if (choice.name === 'blur') note('three blur', choice.amount);
  note('three jitter order', jitter.map(({ name }) => name).join(' '));
  note('three jitter brightness', jitter.find(({ name }) => name === 'brightness')!.amount);
}

function noteBatch(draws: Random, name: string, options: MixOptions, note: Note): void {
  noteMix(`${name} batch`, drawMix(draws, 2, SIDE, options)[0], note);
}

function noteMix(label: string, { lambda, box }: MixDraw, note: Note): void {
  note(`${label} kind`, box ? 'cut' : lambda === 1 ? 'alone' : 'blended');
  if (box) {
    note(`${label} box left`, box.left);
    note(`${label} box height`, box.height);
  }
  if (lambda !== 1) note(`${label} share${box ? ' of a box' : ''}`, lambda);
}
