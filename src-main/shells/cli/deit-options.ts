import { DEIT_FLAGS, type DeitFlag } from '../../protocol/deit-flags.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Option, Parsed } from './options.ts';

/** DeiT's options that are no setting here, so that its commands can be typed as they are. */

/** What DeiT has and a training here has in another way. `own` are those that the command has itself. */
export function deitOptions(own: readonly string[] = ['resume']): Option[] {
  return DEIT_FLAGS.filter(({ keys, flag }) => keys.length === 0 && !own.includes(flag)).map(optionOf);
}

function optionOf({ flag, default: initial, differs = '', ignored }: DeitFlag): Option {
  const value = initial === 'on' || initial === 'off' ? null : 'X';
  return { flag: dashed(flag), value, help: `${ignored ? "DeiT's, changes nothing. " : "DeiT's. "}${differs}` };
}

/** What commands here read themselves. */
const IN_USE = ['resume', 'eval'];

/**
 * What to say of those that were typed.
 * @throws StillhouseError `argument.unknown` for one that would change what is trained.
 */
export function deitNotes({ values }: Parsed): string[] {
  return DEIT_FLAGS.filter(({ keys, flag }) => keys.length === 0 && !IN_USE.includes(flag)).flatMap((option) => {
    const typed = values.get(dashed(option.flag));
    if (typed === undefined || typed === false) return [];
    const { flag, differs = '', ignored } = option;
    if (!ignored || (ignored.only && !ignored.only.includes(String(typed))))
      throw new StillhouseError('argument.unknown', { name: `--${flag}${ignored ? ` ${typed}` : ''}`, hint: differs });
    return [`--${flag} changes nothing here: ${differs}`];
  });
}

function dashed(flag: string): string {
  return flag.replace(/_/g, '-');
}
