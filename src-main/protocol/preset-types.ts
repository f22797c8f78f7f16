import type { Recipe } from './recipe.ts';

/** A recipe to start from. */
export interface Preset {
  id: string;
  /** The product of the run: a student to distil, or a teacher to distil from. */
  task: 'student' | 'teacher';
  group: PresetGroup;
  values: Partial<Recipe>;
  /** Files that the person has to add: the weights that it starts from, and the teacher's. */
  needs?: readonly ('finetune' | 'teacherPath')[];
  published?: Published;
}

export type PresetGroup = 'sample' | 'own' | 'deit' | 'tuning' | 'transfer' | 'deit3';

/** Statements of its authors about a recipe. What they do not say is left out. None of it was measured here. */
export interface Published {
  /** Where the settings are. */
  settings: string;
  data: string;
  gpus?: number;
  /** Of the run on those GPUs. */
  hours?: string;
  /** Percent on `data`. */
  top1?: number;
  /** Where hours and accuracy are; '' for where the settings are. */
  results?: string;
}
