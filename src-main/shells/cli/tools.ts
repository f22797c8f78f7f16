import type { ModelCard } from '../../protocol/data-types.ts';
import type { Command } from './command.ts';
import { withDesk } from './desk.ts';

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
