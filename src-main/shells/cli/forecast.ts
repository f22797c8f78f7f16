import type { MemoryForecast } from '../../protocol/data-types.ts';
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
    ['In all', memory.total],
  ];
  return rows.map(([name, size]) => `${name.padEnd(27)}${bytes(size).padStart(10)}`).join('\n');
}
