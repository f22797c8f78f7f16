import { resolve } from 'node:path';
import { inspectWeights, type ArrayReport, type WeightReport } from '../../weights/inspect-weights.ts';
import type { Command } from './command.ts';
import { textValue } from './options.ts';
import { bytes } from './progress.ts';
import { ENTRY } from './weights.ts';
import { kindWords } from '../../protocol/export-formats.ts';
import { reason, sayReason } from '../../protocol/reasons.ts';

export const inspect: Command = {
  name: 'inspect',
  summary: 'Show what a weight file holds, and which network it belongs to; nothing in it is executed.',
  words: 'FILE',
  takesWeights: true,
  count: [1, 1],
  options: [ENTRY, { flag: 'values', value: null, help: 'Show the least and the greatest number of every array.' }],
  run: (parsed, shell) => {
    const report = inspectWeights(resolve(parsed.words[0]), { entry: textValue(parsed, 'entry') });
    const text = describeWeights(report, parsed.values.get('values') === true);
    for (const { message } of report.notes) shell.reporter.note(plain(message));
    shell.reporter.result(text, { type: 'weights', ...report });
    return Promise.resolve();
  },
};

/** Writes a report on weights for people. */
export function describeWeights(report: WeightReport, values: boolean): string {
  const { path, kind, files, total, metadata } = report;
  const size = files.reduce((sum, file) => sum + file.bytes, 0);
  const dtypes = Object.entries(total.dtypes).map(([dtype, count]) => `${dtype} ${count}`);
  return [
    `${plain(path)}: ${kindWords(kind)}${files.length > 1 ? `, ${files.length} files` : ''}, ${bytes(size)}`,
    ...describeEntries(report),
    ...describeNetwork(report),
    `Arrays: ${total.arrays} (${dtypes.join(', ')}), ${total.elements.toLocaleString('en')} numbers, ${bytes(total.bytes)}`,
    describeFiniteness(report),
    ...Object.entries(metadata).map(([key, value]) => `  ${plain(key)}: ${clip(plain(value), 160)}`),
    ...table(report.arrays, values),
  ].join('\n');
}

function describeEntries({ entries, entry }: WeightReport): string[] {
  const name = (one: string) => (one === '' ? sayReason(reason('weights.whole')) : plain(one));
  return entries.length === 1 && entry === ''
    ? []
    : [`State dicts: ${entries.map(name).join(', ')}; this is ${name(entry)}`];
}

function describeNetwork(report: WeightReport): string[] {
  const { network, classNames } = report;
  if (!network) return ['Network: none that is known'];
  const { layout, models, nearest, classes, inputSize, distilled } = network;
  const name = nearest
    ? `none that is known; ${nearest.differences} arrays differ from ${nearest.model}`
    : taken(report) + models.join(' or ');
  const names = classNames ? ` (${clip(classNames.map(plain).join(', '), 100)})` : '';
  return [
    `Network: ${name}, names of ${layout}${distilled ? ', distilled' : ''}`,
    `Classes: ${classes === null ? 'no head' : `${classes}${names}`}`,
    ...(inputSize === null ? [] : [`Input size: ${inputSize}`]),
  ];
}

/** Names the network as the file, or its config, does. */
function taken({ said, network }: WeightReport): string {
  if (!said) return '';
  const more = network?.models.length === 1 && network.models[0] === said.model ? '' : 'its arrays fit ';
  return more && `${plain(said.model ?? said.named)}, as ${plain(said.source)} says; ${more}`;
}

function describeFiniteness({ nan, infinite, arrays }: WeightReport): string {
  if (nan === null || infinite === null)
    return 'Values: not looked at, the arrays unfold to far more than the file holds';
  if (nan + infinite === 0) return 'Values: all finite';
  const bad = arrays.filter(({ values }) => values && values.nan + values.infinite > 0);
  const names = bad.slice(0, 5).map(({ name }) => clip(plain(name), 80));
  const more = bad.length > 5 ? ` and ${bad.length - 5} more` : '';
  return `Values: ${nan} NaN and ${infinite} infinite, in ${names.join(', ')}${more}`;
}

function table(arrays: readonly ArrayReport[], values: boolean): string[] {
  const width = Math.min(60, Math.max(0, ...arrays.map(({ name }) => plain(name).length)));
  const number = (value: number | null | undefined): string => (value ?? NaN).toPrecision(4).padStart(12);
  return arrays.map(({ name, dtype, shape, bytes: size, values: of }) => {
    const range = values ? number(of?.least) + number(of?.greatest) : '';
    const row = `  ${clip(plain(name), 200).padEnd(width)}  ${dtype.padEnd(5)}${bytes(size).padStart(8)}${range}`;
    return `${row}  [${shape.join(', ')}]`;
  });
}

// Names and texts come from the file: what a terminal would obey is shown as its code.
function plain(text: string): string {
  return text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (letter) => {
    return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function clip(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
