import type { LeveledName } from './levels.ts';

/** timm's tables: which operations RandAugment draws from, and the pairs that AutoAugment found. */

/** Operations that grow stronger with the magnitude, each as likely: `inc1`. */
export const INCREASING: readonly LeveledName[] = [
  'AutoContrast',
  'Equalize',
  'Invert',
  'Rotate',
  'PosterizeIncreasing',
  'SolarizeIncreasing',
  'SolarizeAdd',
  'ColorIncreasing',
  'ContrastIncreasing',
  'BrightnessIncreasing',
  'SharpnessIncreasing',
  'ShearX',
  'ShearY',
  'TranslateXRel',
  'TranslateYRel',
];
/** The same without `inc`: some grow weaker. */
export const PLAIN = INCREASING.map((name) => name.replace('Increasing', '') as LeveledName);

/** Sets of operations for `t…` in a RandAugment text, with weights where they are not drawn alike. */
export const SETS: Record<string, Partial<Record<LeveledName, number>>> = {
  weights: {
    Rotate: 3,
    ShearX: 2,
    ShearY: 2,
    TranslateXRel: 1,
    TranslateYRel: 1,
    ColorIncreasing: 0.25,
    SharpnessIncreasing: 0.25,
    AutoContrast: 0.25,
    SolarizeIncreasing: 0.05,
    SolarizeAdd: 0.05,
    ContrastIncreasing: 0.05,
    BrightnessIncreasing: 0.05,
    Equalize: 0.05,
    PosterizeIncreasing: 0.05,
    Invert: 0.05,
  },
  '3aw': {
    SolarizeIncreasing: 6,
    Desaturate: 6,
    GaussianBlur: 6,
    Rotate: 3,
    ShearX: 2,
    ShearY: 2,
    PosterizeIncreasing: 1,
    AutoContrast: 1,
    ColorIncreasing: 1,
    SharpnessIncreasing: 1,
    ContrastIncreasing: 1,
    BrightnessIncreasing: 1,
    Equalize: 1,
    Invert: 1,
  },
  // timm 0.3.2's w0, which DeiT's version of timm offers.
  w0: {
    Rotate: 0.3,
    ShearX: 0.2,
    ShearY: 0.2,
    TranslateXRel: 0.1,
    TranslateYRel: 0.1,
    ColorIncreasing: 0.025,
    SharpnessIncreasing: 0.025,
    AutoContrast: 0.025,
    SolarizeIncreasing: 0.005,
    SolarizeAdd: 0.005,
    ContrastIncreasing: 0.005,
    BrightnessIncreasing: 0.005,
    Equalize: 0.005,
    PosterizeIncreasing: 0,
    Invert: 0,
  },
};
/** 3-Augment's operations as a RandAugment set: `t3a`. */
export const THREE: readonly LeveledName[] = ['SolarizeIncreasing', 'Desaturate', 'GaussianBlur'];

/** Pairs of operations as "Name probability,magnitude"; one pair is drawn for an image. */
const ORIGINAL = [
  'PosterizeOriginal .4,8 · Rotate .6,9',
  'Solarize .6,5 · AutoContrast .6,5',
  'Equalize .8,8 · Equalize .6,3',
  'PosterizeOriginal .6,7 · PosterizeOriginal .6,6',
  'Equalize .4,7 · Solarize .2,4',
  'Equalize .4,4 · Rotate .8,8',
  'Solarize .6,3 · Equalize .6,7',
  'PosterizeOriginal .8,5 · Equalize 1,2',
  'Rotate .2,3 · Solarize .6,8',
  'Equalize .6,8 · PosterizeOriginal .4,6',
  'Rotate .8,8 · Color .4,0',
  'Rotate .4,9 · Equalize .6,2',
  'Equalize 0,7 · Equalize .8,8',
  'Invert .6,4 · Equalize 1,8',
  'Color .6,4 · Contrast 1,8',
  'Rotate .8,8 · Color 1,2',
  'Color .8,8 · Solarize .8,7',
  'Sharpness .4,7 · Invert .6,8',
  'ShearX .6,5 · Equalize 1,9',
  'Color .4,0 · Equalize .6,3',
  'Equalize .4,7 · Solarize .2,4',
  'Solarize .6,5 · AutoContrast .6,5',
  'Invert .6,4 · Equalize 1,8',
  'Color .6,4 · Contrast 1,8',
  'Equalize .8,8 · Equalize .6,3',
];

const V0 = [
  'Equalize .8,1 · ShearY .8,4',
  'Color .4,9 · Equalize .6,3',
  'Color .4,1 · Rotate .6,8',
  'Solarize .8,3 · Equalize .4,7',
  'Solarize .4,2 · Solarize .6,2',
  'Color .2,0 · Equalize .8,8',
  'Equalize .4,8 · SolarizeAdd .8,3',
  'ShearX .2,9 · Rotate .6,8',
  'Color .6,1 · Equalize 1,2',
  'Invert .4,9 · Rotate .6,0',
  'Equalize 1,9 · ShearY .6,3',
  'Color .4,7 · Equalize .6,0',
  'Posterize .4,6 · AutoContrast .4,7',
  'Solarize .6,8 · Color .6,9',
  'Solarize .2,4 · Rotate .8,9',
  'Rotate 1,7 · TranslateYRel .8,9',
  'ShearX 0,0 · Solarize .8,4',
  'ShearY .8,0 · Color .6,4',
  'Color 1,0 · Rotate .6,2',
  'Equalize .8,4 · Equalize 0,8',
  'Equalize 1,4 · AutoContrast .6,2',
  'ShearY .4,7 · SolarizeAdd .6,7',
  'Posterize .8,2 · Solarize .6,10',
  'Solarize .6,8 · Equalize .6,1',
  'Color .8,6 · Rotate .4,5',
];

/** Policies by name. */
export const AUTO_AUGMENT: Record<string, readonly string[]> = {
  original: ORIGINAL,
  originalr: ORIGINAL.map((pair) => pair.replaceAll('PosterizeOriginal', 'PosterizeIncreasing')),
  v0: V0,
  v0r: V0.map((pair) => pair.replaceAll('Posterize', 'PosterizeIncreasing')),
  '3a': ['Solarize 1,5', 'Desaturate 1,10', 'GaussianBlurRand 1,10'],
};
