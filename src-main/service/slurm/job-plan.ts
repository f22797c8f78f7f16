import { bundlePath } from '../../base/bundle.ts';
import { StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import { recipeFlags } from '../../protocol/recipe-flags.ts';
import { reason } from '../../protocol/reasons.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import type { SlurmForm, SlurmPartition } from '../../protocol/slurm.ts';
import { shareOfRecipe } from '../../jobs/ranks/share.ts';
import { batchScript } from './batch-script.ts';

/** Settles what a form leaves open, and makes the script of it. */

/** Holds what a job is made of. Paths are absolute. */
export interface JobWish {
  recipe: Recipe;
  /** The settings that the training has without a flag: the defaults, or those of what it goes on with. */
  base: Recipe;
  form: SlurmForm;
  /** `auto`, a file, or a run; '' for a new run. */
  resume: string;
  /** Folder of the run; `%j` in it is Slurm's number of the job. */
  folder: string;
  log: string;
  homeFolder: string;
  cacheFolder: string;
}

/** DeiT asks for ten processors a task. */
const MOST_CPUS = 10;

/** Options of sbatch that the script writes itself. */
const OWN =
  /^--(nodes|ntasks|ntasks-per-node|cpus-per-task|time|partition|output|error|open-mode|signal|requeue|no-requeue|array|comment|constraint|gpus-per-node|wrap|parsable|wait|test-only)$/;

/**
 * Makes the script of a job. `partitions` are those that are seen here.
 * @throws StillhouseError `argument.invalid` for texts that sbatch would read otherwise, `slurm.app-image`,
 * `recipe.invalid` and `ranks.processor` for what several tasks cannot train.
 */
export function planJob(wish: JobWish, partitions: readonly SlurmPartition[]): { text: string; notes: PlainError[] } {
  const { base, form, resume, folder, log, homeFolder, cacheFolder } = wish;
  checkTexts(form);
  const recipe = ofTasks(wish.recipe, tasksOf(form));
  const partition = partitions.find(({ name, isDefault }) => (form.partition ? name === form.partition : isDefault));
  const cpusPerTask = form.cpusPerTask ?? cpusOf(form, partition);
  const gpus = gpusOf(recipe, form, partition);
  const text = batchScript({
    form,
    cpusPerTask,
    gpus,
    flags: recipeFlags(recipe, { ...base, outputDir: recipe.outputDir }, ['dataPath', 'model']),
    folder,
    resume: resume === '' ? null : resume,
    log,
    program: programWords(),
    environment: {
      STILLHOUSE_HOME: homeFolder,
      STILLHOUSE_CACHE: cacheFolder,
      ...(process.versions.electron ? { ELECTRON_RUN_AS_NODE: '1' } : {}),
    },
  });
  return { text, notes: notesOf({ ...wish, recipe }, { cpusPerTask, gpus, partition }) };
}

/** Tasks of a job: each is a rank. */
export function tasksOf({ nodes, ngpus }: Pick<SlurmForm, 'nodes' | 'ngpus'>): number {
  return nodes * ngpus;
}

/** The recipe as several tasks train it: on processors, in even parts. */
function ofTasks(recipe: Recipe, tasks: number): Recipe {
  if (tasks === 1) return recipe;
  shareOfRecipe(recipe, tasks);
  if (!['auto', 'cpu'].includes(recipe.device)) throw new StillhouseError('ranks.processor');
  return { ...recipe, device: 'cpu' };
}

function cpusOf({ ngpus }: SlurmForm, partition: SlurmPartition | undefined): number {
  return Math.max(1, Math.min(MOST_CPUS, Math.floor((partition?.cpus ?? Infinity) / ngpus)));
}

/** Asks for a GPU where the recipe computes on one, which several tasks do not. */
function gpusOf({ device }: Recipe, { ngpus }: SlurmForm, partition: SlurmPartition | undefined): number {
  if (device === 'auto') return (partition?.gpus ?? 0) > 0 ? ngpus : 0;
  return /^(pjrt:)?cpu\b/.test(device) ? 0 : ngpus;
}

interface Settled {
  cpusPerTask: number;
  gpus: number;
  partition: SlurmPartition | undefined;
}

function notesOf({ recipe, form }: JobWish, { cpusPerTask, gpus, partition }: Settled): PlainError[] {
  const notes: StillhouseError[] = [];
  const { device, batchSize: batch } = recipe;
  const count = tasksOf(form);
  if (count > 1) notes.push(new StillhouseError('slurm.ranks', { count, batch, each: batch / count }));
  if (form.cpusPerTask === null) notes.push(new StillhouseError('slurm.cpus', { count: cpusPerTask }));
  const why =
    device === 'auto'
      ? reason('slurm.partition-gpus', { partition: partition?.name ?? '' })
      : reason('slurm.device', { device });
  if (gpus > 0) notes.push(new StillhouseError('slurm.gpus', { count: gpus, reason: why }));
  else if (device === 'auto') notes.push(new StillhouseError('slurm.no-gpus'));
  return notes.map(toPlainError);
}

function programWords(): string[] {
  const { APPIMAGE } = process.env;
  if (APPIMAGE && process.versions.electron) throw new StillhouseError('slurm.app-image', { path: APPIMAGE });
  return [process.execPath, bundlePath('cli.mjs')];
}

/** A line break would begin a line of the script's own. */
function checkTexts({ partition, comment, sbatch }: SlurmForm): void {
  const wrong = (name: string, expected: ReturnType<typeof reason>, got: string) =>
    new StillhouseError('argument.invalid', { name, expected, got });
  for (const [name, text] of Object.entries({ partition, comment, sbatch }))
    if (/[\n\r\0]/.test(text)) throw wrong(`--${name}`, reason('value.one-line'), JSON.stringify(text));
  for (const word of sbatch.split(/\s+/).filter((word) => word !== '')) {
    const [, option] = /^(--[a-z][\w-]*)(=[\w./:@%+=,()[\]*-]+)?$/.exec(word) ?? [];
    if (option === undefined || OWN.test(option)) throw wrong('--sbatch', reason('value.sbatch'), word);
  }
}
