import type { OperationName } from './pixel-ops.ts';
import type { Draws } from '../random.ts';

/** The scale of magnitudes in RandAugment and AutoAugment, as in timm. */
export const LEVELS_OF_TEN = 10;

/** Says how an operation's one number follows from a magnitude. */
export interface Leveled {
  operation: OperationName;
  amount(magnitude: number, draws: Draws, size: { width: number; height: number }): number;
}

const share = (magnitude: number): number => magnitude / LEVELS_OF_TEN;
const negated = (value: number, draws: Draws): number => (draws.uniform() > 0.5 ? -value : value);
const factor = (magnitude: number): number => share(magnitude) * 1.8 + 0.1;
const factorAway = (magnitude: number, draws: Draws): number =>
  Math.max(0.1, 1 + negated(share(magnitude) * 0.9, draws));
const slope = (magnitude: number, draws: Draws): number => negated(share(magnitude) * 0.3, draws);
const part = (magnitude: number, draws: Draws): number => negated(share(magnitude) * 0.45, draws);
const bits = (magnitude: number): number => Math.trunc(share(magnitude) * 4);
const threshold = (magnitude: number): number => Math.min(256, Math.trunc(share(magnitude) * 256));
const between =
  (low: number, high: number) =>
  (magnitude: number): number =>
    Math.max(low, Math.min(high, low + (high - low) * share(magnitude)));
const nothing = (): number => 0;

/** Meaning of a magnitude from 0 to 10 to each operation. `Increasing` ones grow stronger with it. */
export const LEVELS = {
  AutoContrast: { operation: 'autoContrast', amount: nothing },
  Equalize: { operation: 'equalize', amount: nothing },
  Invert: { operation: 'invert', amount: nothing },
  Rotate: { operation: 'rotate', amount: (m, draws) => negated(share(m) * 30, draws) },
  Posterize: { operation: 'posterize', amount: bits },
  PosterizeIncreasing: { operation: 'posterize', amount: (m) => 4 - bits(m) },
  PosterizeOriginal: { operation: 'posterize', amount: (m) => bits(m) + 4 },
  Solarize: { operation: 'solarize', amount: threshold },
  SolarizeIncreasing: { operation: 'solarize', amount: (m) => 256 - threshold(m) },
  SolarizeAdd: { operation: 'solarizeAdd', amount: (m) => Math.min(128, Math.trunc(share(m) * 110)) },
  Color: { operation: 'color', amount: factor },
  ColorIncreasing: { operation: 'color', amount: factorAway },
  Contrast: { operation: 'contrast', amount: factor },
  ContrastIncreasing: { operation: 'contrast', amount: factorAway },
  Brightness: { operation: 'brightness', amount: factor },
  BrightnessIncreasing: { operation: 'brightness', amount: factorAway },
  Sharpness: { operation: 'sharpness', amount: factor },
  SharpnessIncreasing: { operation: 'sharpness', amount: factorAway },
  ShearX: { operation: 'shearX', amount: slope },
  ShearY: { operation: 'shearY', amount: slope },
  TranslateXRel: { operation: 'translateX', amount: (m, draws, { width }) => part(m, draws) * width },
  TranslateYRel: { operation: 'translateY', amount: (m, draws, { height }) => part(m, draws) * height },
  Desaturate: { operation: 'color', amount: (m) => Math.min(1, Math.max(0, 1 - between(0.5, 1)(m))) },
  GaussianBlur: { operation: 'blur', amount: between(0.1, 2) },
  GaussianBlurRand: { operation: 'blur', amount: (m, draws) => draws.between(0.1, 2 * between(0, 1)(m)) },
} satisfies Record<string, Leveled>;

export type LeveledName = keyof typeof LEVELS;
