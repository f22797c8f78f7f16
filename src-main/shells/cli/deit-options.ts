import { DEIT_FLAGS, SUBMITIT_FLAGS, type DeitFlag } from '../../protocol/deit-flags.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { fieldOf } from '../../protocol/recipe.ts';
import { integerValue, type Option, type Parsed } from './options.ts';

/** DeiT's options that are no setting here, so that its commands can be typed as they are. */

const ALL: readonly DeitFlag[] = [...DEIT_FLAGS, ...SUBMITIT_FLAGS];

/**
 * Makes options from those of DeiT that a training here has in another way. `own` are those that the command has
 * itself.
 */
export function deitOptions(own: readonly string[] = ['resume']): Option[] {
  return ALL.filter(({ keys, flag }) => keys.length === 0 && !own.includes(flag)).map(optionOf);
}

function optionOf({ flag, default: initial, differs = '', ignored }: DeitFlag): Option {
  const value = initial === 'on' || initial === 'off' ? null : 'X';
  return { flag: dashed(flag), value, help: `${ignored ? "DeiT's, changes nothing. " : "DeiT's. "}${differs}` };
}

/** Options that commands here read themselves. */
const IN_USE = ['resume', 'eval', 'world_size', 'dist_url'];

/**
 * Makes notes on the options of DeiT that were typed; `submits` says that the command has those of run_with_submitit.py.
 * @throws StillhouseError `argument.unknown` for one that would change what is trained, `argument.invalid`.
 */
export function deitNotes(parsed: Parsed, submits = false): string[] {
  const { values } = parsed;
  if (!submits && String(values.get('output-dir') ?? '').includes('%j'))
    throw withoutJobNumber(String(values.get('output-dir')));
  const notes = (submits ? DEIT_FLAGS : ALL)
    .filter(({ keys, flag }) => keys.length === 0 && !IN_USE.includes(flag))
    .flatMap((option) => {
      const typed = values.get(dashed(option.flag));
      if (typed === undefined || typed === false) return [];
      const { flag, differs = '', ignored } = option;
      if (!ignored || (ignored.only && !ignored.only.includes(String(typed))))
        throw new StillhouseError('argument.unknown', {
          name: `--${flag}${ignored ? ` ${typed}` : ''}`,
          hint: differs,
        });
      return [`--${flag} changes nothing here: ${differs}`];
    });
  return submits ? notes : [...notes, ...batchNotes(parsed)];
}

function withoutJobNumber(got: string): StillhouseError {
  return new StillhouseError('argument.invalid', { name: '--job_dir', expected: reason('value.no-job-number'), got });
}

/** Says what the batch of a command for several GPUs comes to: DeiT counts the images of one process. */
function batchNotes(parsed: Parsed): string[] {
  const submitted = SUBMITIT_FLAGS.some(({ flag }) => (parsed.values.get(dashed(flag)) ?? false) !== false);
  const [nodes, gpus] = ['nodes', 'ngpus'].map((name) => integerValue(parsed, name, 1, 100_000) ?? initialOf(name));
  const typed = integerValue(parsed, 'batch-size', 1, 1e9);
  if (!submitted || nodes * gpus === 1 || parsed.values.get('eval') === true) return [];
  const [each, here] = [typed ?? initialOf('batch-size'), typed ?? Number(fieldOf('batchSize')?.default)];
  const all = each * nodes * gpus;
  return [
    `This command trains on ${nodes} × ${gpus} GPUs with DeiT: steps of ${all} images. Here a step has ${here}, and the ` +
      `learning rate is scaled to that. The same steps: --batch-size ${all} --micro-batch ${each}`,
  ];
}

function initialOf(name: string): number {
  return Number(ALL.find(({ flag }) => flag === name)!.default);
}

function dashed(flag: string): string {
  return flag.replace(/_/g, '-');
}
