import { resolve } from 'node:path';
import type { DatasetReport, DatasetSummary, ModelCard } from '../../protocol/data-types.ts';
import type { Command } from './command.ts';
import { withDesk } from './desk.ts';

export const data: Command = {
  name: 'data',
  summary: 'Show what a data folder holds; with --check decode every picture.',
  words: 'DIR',
  count: [1, 1],
  options: [{ flag: 'check', value: null, help: 'Decode every picture and list those that cannot be read.' }],
  run: async (parsed, shell) => {
    const path = resolve(parsed.words[0]);
    const check = parsed.values.get('check') === true;
    await withDesk(shell, async ({ calls, job }) => {
      const summary = await calls['dataset.inspect']({ path });
      const report = check ? ((await job(calls['dataset.check']({ path }))) as DatasetReport) : null;
      shell.reporter.result(describeData(summary, report), { type: 'data', ...summary, ...(report && { report }) });
    });
  },
};

function describeData(
  { path, classes, train, val, splitMade, warnings }: DatasetSummary,
  report: DatasetReport | null,
) {
  const width = Math.max(...classes.map(({ name }) => name.length));
  const number = (count: number): string => String(count).padStart(8);
  return [
    `${path}: ${classes.length} classes, ${train} training and ${val} validation pictures`,
    ...(splitMade ? ['There is no val folder: a tenth of each class is set aside for validation.'] : []),
    ...classes.map(({ name, train, val }) => `  ${name.padEnd(width)}${number(train)}${number(val)}`),
    ...warnings.map(({ message }) => message),
    ...(report ? describeReport(report) : []),
  ].join('\n');
}

function describeReport({ checked, unreadable }: DatasetReport): string[] {
  const bad = unreadable.map(({ file, reason }) => `  ${file}: ${reason}`);
  return [`${checked} pictures decoded, ${unreadable.length} cannot be read`, ...bad];
}

export const sample: Command = {
  name: 'sample',
  summary: 'Build the sample data set and print where it is.',
  words: '',
  count: [0, 0],
  options: [],
  run: async (_parsed, shell) => {
    const path = String(await withDesk(shell, ({ calls, job }) => job(calls['dataset.sample']({}))));
    shell.reporter.result(path, { type: 'result', path });
  },
};

export const models: Command = {
  name: 'models',
  summary: 'List the networks, with parameters, input size and published accuracy.',
  words: '',
  count: [0, 0],
  options: [],
  run: async (_parsed, shell) => {
    const cards = await withDesk(shell, ({ calls }) => calls['models.list']({}));
    const text = [ROW('name', 'parameters', 'size', 'published', 'role'), ...cards.map(describeModel)].join('\n');
    shell.reporter.result(
      text,
      cards.map((card) => ({ type: 'model', ...card })),
    );
  },
};

const ROW = (name: string, parameters: string, size: string, published: string, role: string): string =>
  `${name.padEnd(36)}${parameters.padStart(12)}${size.padStart(7)}${published.padStart(11)}  ${role}`;

function describeModel({ name, parameters, inputSize, publishedTop1, role, fetchable }: ModelCard): string {
  const published = publishedTop1 === null ? '' : `${publishedTop1.toFixed(1)} %`;
  return ROW(
    name,
    parameters.toLocaleString('en'),
    String(inputSize),
    published,
    `${role}${fetchable ? ', fetchable' : ''}`,
  );
}
