import type { ModelCard } from '../../protocol/data-types.ts';
import type { Command } from './command.ts';
import { withService } from './local-service.ts';

export const sample: Command = {
  name: 'sample',
  summary: 'Build the sample data set and print where it is.',
  words: '',
  count: [0, 0],
  options: [],
  run: async (_parsed, shell) => {
    const path = String(await withService(shell, ({ calls, job }) => job(calls['dataset.sample']({}))));
    shell.reporter.result(path, { type: 'result', path });
  },
};

export const models: Command = {
  name: 'models',
  summary: 'List the networks, with parameters, GFLOPs, input size and published accuracy.',
  words: '',
  count: [0, 0],
  options: [],
  run: async (_parsed, shell) => {
    const cards = await withService(shell, ({ calls }) => calls['models.list']({}));
    const text = [ROW('name', 'parameters', 'GFLOPs', 'size', 'published', 'role'), ...cards.map(describeModel)].join(
      '\n',
    );
    shell.reporter.result(
      text,
      cards.map((card) => ({ type: 'model', ...card })),
    );
  },
};

// GFLOPs are multiply-adds at the input size, in 10⁹; the accuracy is what was published, on ImageNet.
const ROW = (...[name, parameters, gflops, size, published, role]: string[]): string =>
  `${name.padEnd(36)}${parameters.padStart(12)}${gflops.padStart(8)}${size.padStart(6)}${published.padStart(11)}  ${role}`;

function describeModel({ name, parameters, gflops, inputSize, publishedTop1, role, fetchable }: ModelCard): string {
  const published = publishedTop1 === null ? '' : `${publishedTop1.toFixed(1)} %`;
  return ROW(
    name,
    parameters.toLocaleString('en'),
    gflops.toFixed(2),
    String(inputSize),
    published,
    `${role}${fetchable ? ', fetchable' : ''}`,
  );
}
