import { resolve } from 'node:path';
import {
  FINDING_KINDS,
  UNUSABLE_KINDS,
  type DatasetReport,
  type DatasetSummary,
  type ExcludedList,
  type FindingKind,
} from '../../protocol/data-types.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { sayReason } from '../../protocol/reasons.ts';
import type { Command } from './command.ts';
import { withService, type LocalService } from './local-service.ts';
import { DATA_SET, readingValue, textValue, type Option, type Parsed } from './options.ts';

const OPTIONS: readonly Option[] = [
  {
    flag: 'check',
    value: null,
    help: 'Decode every image that has changed since the last check and list what is wrong. One that is interrupted goes on the next time.',
  },
  { flag: 'anew', value: null, needs: ['check'], help: 'With --check: look at every image again.' },
  {
    flag: 'leave-out',
    value: 'KIND',
    help: `Leave out what the last check found of a kind: ${FINDING_KINDS.join(', ')}. What cannot be used is left out by every check.`,
    choices: FINDING_KINDS,
  },
  { flag: 'take-back', value: 'KIND', help: 'Use the images of a kind again.', choices: FINDING_KINDS },
  {
    flag: 'data-reading',
    value: 'READING',
    help: 'Where the folder can be read in two ways: classes; train=FOLDER,val=FOLDER; labels=0 or labels=1; list=FILE; set=NAME; category=FIELD; several with commas between. It is kept for this folder, for training too; auto forgets it.',
  },
  ...DATA_SET,
  {
    flag: 'strict',
    value: null,
    needs: ['check'],
    help: 'With --check: exit with 1 when an image cannot be read or a training image is in val too.',
  },
];

export const data: Command = {
  name: 'data',
  summary: 'Show what a data folder holds; with --check decode every image.',
  words: 'DIR',
  count: [1, 1],
  options: OPTIONS,
  run: async (parsed, shell) => {
    const path = resolve(parsed.words[0]);
    await withService(shell, async (desk) => {
      const said = readingValue(parsed);
      const reading = said === 'auto' ? '' : said;
      if (reading !== undefined) await desk.calls['dataset.inspect']({ path, reading });
      const checked = parsed.values.get('check') === true ? await check(path, parsed, desk) : null;
      for (const [flag, out] of [
        ['leave-out', true],
        ['take-back', false],
      ] as const) {
        const kind = textValue(parsed, flag) as FindingKind | undefined;
        if (kind) await desk.calls['dataset.exclude']({ path, kind, out });
      }
      const summary = await desk.calls['dataset.inspect']({ path });
      const excluded = await desk.calls['dataset.excluded']({ path });
      const report = checked?.report ?? null;
      const json = { type: 'data', ...summary, ...(report && { report }), excludedList: excluded };
      shell.reporter.result(describeData(summary, report, excluded), json);
      if (checked?.error) throw checked.error;
      if (report && parsed.values.get('strict') === true) judge(report);
    });
  },
};

interface Checked {
  report: DatasetReport | null;
  /** Why it is not whole. */
  error: StillhouseError | null;
}

/** A check that was interrupted is shown as far as it came. */
async function check(path: string, parsed: Parsed, { calls, job }: LocalService): Promise<Checked> {
  const anew = parsed.values.get('anew') === true;
  try {
    return { report: (await job(calls['dataset.check']({ path, anew }))) as DatasetReport, error: null };
  } catch (error) {
    if (!(error instanceof StillhouseError && error.code === 'job.cancelled')) throw error;
    return { report: await calls['dataset.report']({ path }), error };
  }
}

/** @throws StillhouseError `data.findings` when a check that has to be clean is not. */
function judge({ findings }: DatasetReport): void {
  const count = (kinds: readonly FindingKind[]): number =>
    findings.filter(({ kind }) => kinds.includes(kind)).reduce((sum, finding) => sum + finding.count, 0);
  const [unreadable, leaks] = [count(UNUSABLE_KINDS), count(['leak'])];
  if (unreadable + leaks > 0) throw new StillhouseError('data.findings', { unreadable, leaks });
}

/** Chinese names of classes where the terminal speaks Chinese. */
function language(): 'en' | 'zh' {
  const { LC_ALL, LC_MESSAGES, LANG } = process.env;
  return /^zh/i.test(LC_ALL || LC_MESSAGES || LANG || '') ? 'zh' : 'en';
}

function describeData(summary: DatasetSummary, report: DatasetReport | null, excluded: ExcludedList): string {
  const { path, classes, train, val, splitMade, warnings, notes, reading } = summary;
  const names = classes.map(({ name }) => printable(name));
  const width = names.reduce((most, name) => Math.max(most, name.length), 0);
  const number = (count: number): string => String(count).padStart(8);
  const title = (at: number): string => {
    const shown = classes[at].title?.[language()] ?? classes[at].name;
    return shown === classes[at].name ? '' : `  ${shown}`;
  };
  const row = (name: string, at: number): string =>
    `  ${name.padEnd(width)}${number(classes[at].train)}${number(classes[at].val)}${title(at)}`;
  return [
    `${printable(path)}: ${classes.length} classes, ${train} training and ${val} validation images`,
    ...(splitMade ? ['There is no val to use: a tenth of each class is set aside for validation.'] : []),
    ...names.map(row),
    ...(report ? describeReport(report) : []),
    ...(excluded.count > 0 ? [`${summary.excluded} images are left out by the list ${excluded.list}`] : []),
    ...(reading ? [`Read as you said: --data-reading "${printable(reading)}"`] : []),
    ...[...notes, ...warnings].map(({ message }) => printable(message)),
  ].join('\n');
}

/** Files of a finding that are printed; the report has them all. */
const SHOWN = 20;

function describeReport({ checked, total, reused, findings, file }: DatasetReport): string[] {
  const part = checked < total ? `${checked} of ${total}` : `${checked}`;
  const before = reused > 0 ? `, ${reused} of them unchanged since an earlier check` : '';
  const lines = findings.flatMap(({ kind, count, files }) => [
    `${WORDS[kind]}: ${count}`,
    ...files
      .slice(0, SHOWN)
      .map(({ file, reason }) => `  ${printable(file)}${reason ? `: ${printable(sayReason(reason))}` : ''}`),
    ...(count > SHOWN ? [`  and ${count - SHOWN} more`] : []),
  ]);
  return [`${part} images checked${before}`, ...lines, ...(file ? [`The whole report: ${file}`] : [])];
}

const WORDS: Readonly<Record<FindingKind, string>> = {
  unreadable: 'Unreadable',
  truncated: 'Truncated',
  empty: 'Empty files',
  conflict: 'The same image in different classes',
  leak: 'Training images that are in val too',
  duplicate: 'Twice in a split',
  cmyk: 'CMYK',
  deep: '16 bits',
  palette: 'Palette',
  alpha: 'Transparent',
  animated: 'Animated: the first frame is used',
  rotated: 'Turned by Exif: the turn is not carried out, as in timm',
  huge: 'Above 100 million pixels',
  misnamed: 'Of another format than the name says',
};

/** A name as one line that cannot steer the terminal: control and direction marks are written out. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (mark) => {
    return mark === '\n' ? '\\n' : `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
