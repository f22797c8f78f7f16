import type { AnswersForecast, MemoryForecast } from '../../protocol/data-types.ts';
import type { Command } from './command.ts';
import { withService } from './local-service.ts';
import { recipeOptions, recipeValues } from './options.ts';
import { bytes } from './progress.ts';
import { presetOption, presetValues } from './train.ts';

export const forecast: Command = {
  name: 'forecast',
  summary: 'Tell what a training would hold in memory, before it starts.',
  words: '',
  count: [0, 0],
  options: [...recipeOptions(), presetOption('student', 'Settings to start from; flags change them.')],
  run: (parsed, shell) =>
    withService(shell, async ({ calls }) => {
      const recipe = { ...presetValues(parsed), ...recipeValues(parsed) };
      const memory = await calls['recipe.forecast']({ recipe });
      shell.reporter.result(describe(memory), { type: 'forecast', ...memory });
    }),
};

function describe(memory: MemoryForecast): string {
  const rows: [string, number][] = [
    ['Parameters', memory.parameters],
    ['Optimizer', memory.optimizer],
    ['Teacher', memory.teacher],
    ['Activations and gradients', memory.activations],
    ['Engine and images', memory.process],
    [memory.device ? 'In the machine' : 'In all', memory.total],
    ...(memory.device ? [[`On ${memory.device.name}`, memory.device.total] as [string, number]] : []),
  ];
  const text = rows.map(([name, size]) => `${name.padEnd(27)}${bytes(size).padStart(10)}`).join('\n');
  const device = memory.device ? describeDevice(memory.device) : [];
  return [text, ...device, ...(memory.answers ? [describeAnswers(memory.answers)] : [])].join('\n');
}

function describeDevice({ total, limit, batch }: NonNullable<MemoryForecast['device']>): string[] {
  if (limit === null) return [];
  const fits = total <= limit ? `It fits in its ${bytes(limit)}` : `That is more than its ${bytes(limit)}`;
  return [batch === null ? `${fits}.` : `${fits}; the largest batch that does is about ${batch} (--batch-size).`];
}

function describeAnswers(answers: AnswersForecast): string {
  const { kept, batches, bytes: size, budget, held, free, millisecondsPerBatch, path } = answers;
  const hours = millisecondsPerBatch === null ? null : (kept * millisecondsPerBatch) / 3.6e6;
  return [
    `On disk: the teacher's answers to all ${batches} batches take ${bytes(size)}, those to ${kept} are kept`,
    `(all kept answers: ${bytes(held)} of ${bytes(budget)}, ${bytes(free)} free; ${path}).`,
    ...(hours === null || kept === 0 ? [] : [`The kept ones save ${hours.toPrecision(2)} hours of the teacher.`]),
  ].join('\n');
}
