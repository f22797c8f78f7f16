import type { Tensors } from './key-names.ts';

/** Takes a network out of arrays that stand below a name of their own, with others beside them. */

/** The arrays of one network, by the names below what they share. */
export interface Beneath {
  tensors: Tensors;
  /** The part that was taken off, with its dot; '' where nothing was. */
  prefix: string;
  /** The names that do not begin so, as in the file. */
  left: string[];
  /** Where several networks are as large, what each begins with; [] else. */
  rivals: string[];
}

/** Wrappers that may stand anywhere in a name: torch.compile, FSDP and activation checkpointing. */
const WRAPPERS = /(^|\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./;
/** Where a network of any naming repeats itself: blocks, stages, layers. */
const BODY =
  /^(blocks\.\d+|layer[1-4]\.\d+|s[1-4]\.b\d+|_blocks\.\d+|encoder\.layer\.\d+|layers\.\d+|(vit|deit)\.[a-z])/;
/** Which of several networks of one size is meant, where one is called so. */
const USUAL = ['', 'model.', 'module.', 'net.', 'network.'];
/** Heads, which some programs keep beside the network that they stand on. */
const HEADS = /^(head|head_dist|fc|classifier)\.(weight|bias)$/;
/** Names deeper than this are not looked at for more beginnings. */
const DEPTH = 6;

/**
 * Finds the beginning that most names of a network's body share, whatever it is, and takes it off.
 * @param wanted the beginning to take instead.
 */
export function beneath(tensors: Tensors, wanted?: string): Beneath {
  const plain = unwrapped(tensors);
  const names = [...plain.keys()];
  const counts = countBeginnings(names);
  const most = Math.max(0, ...counts.values());
  const best = [...counts].filter(([, count]) => count === most).map(([prefix]) => prefix);
  const rivals = best.filter((one) => !best.some((other) => other !== one && one.startsWith(other)));
  const usual = USUAL.find((prefix) => rivals.includes(prefix));
  const dotted = wanted === undefined ? undefined : `${wanted.replace(/\.+$/, '')}.`;
  const prefix = dotted ?? usual ?? (rivals.length === 1 ? rivals[0] : counts.size === 0 ? common(names) : undefined);
  if (prefix === undefined) return { tensors, prefix: '', left: [], rivals };
  if (prefix === '') return { tensors: plain, prefix, left: [], rivals: [] };
  return { ...taken(plain, prefix), prefix, rivals: [] };
}

function unwrapped(tensors: Tensors): Tensors {
  const bare = (name: string): string => (WRAPPERS.test(name) ? bare(name.replace(WRAPPERS, '$1')) : name);
  return new Map([...tensors].map(([name, array]) => [bare(name), array]));
}

/** How many names go on as a body does after each beginning. */
function countBeginnings(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names)
    for (const prefix of beginningsOf(name))
      if (BODY.test(name.slice(prefix.length))) counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
  return counts;
}

/** '' and every beginning of a name that ends in a dot. */
function beginningsOf(name: string): string[] {
  const parts = name.split('.').slice(0, DEPTH);
  return parts.map((_, count) =>
    parts
      .slice(0, count)
      .map((part) => `${part}.`)
      .join(''),
  );
}

/** DataParallel's word, as often as every name has it, of arrays without a body. */
function common(names: readonly string[]): string {
  const [, prefix] = /^((?:module\.)*)/.exec(names[0] ?? '') ?? [];
  const all = prefix ?? '';
  return names.every((name) => name.startsWith(all)) ? all : '';
}

function taken(plain: Tensors, prefix: string): Pick<Beneath, 'tensors' | 'left'> {
  const own = [...plain].filter(([name]) => name.startsWith(prefix));
  const tensors = new Map(own.map(([name, array]) => [name.slice(prefix.length), array]));
  const headless = ![...tensors.keys()].some((name) => HEADS.test(name));
  const heads = headless ? [...plain].filter(([name]) => HEADS.test(name)) : [];
  for (const [name, array] of heads) tensors.set(name, array);
  const kept = new Set(heads.map(([name]) => name));
  return { tensors, left: [...plain.keys()].filter((name) => !name.startsWith(prefix) && !kept.has(name)) };
}
