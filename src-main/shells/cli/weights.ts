import { exportFile, type ExportFormat } from '../../runs/export.ts';
import { spawnTrainer } from '../../service/trainer-process.ts';
import type { TrainerJob, TrainerResults } from '../../service/trainer-protocol.ts';
import { withWeights } from '../../service/weights.ts';
import type { Command, Shell } from './command.ts';
import { chooseEngine } from './engine.ts';
import { integerValue, pathValue, recipeOptions, recipeValues, textValue, type Option } from './options.ts';
import { bytes } from './progress.ts';

/** The commands that take weights and train nothing. */

const THREADS: Option = { flag: 'threads', value: 'N', help: 'Threads of the engine. Default: one a core.' };

export const forward: Command = {
  name: 'forward',
  summary: 'Write the raw logits of a given batch, for comparing networks.',
  words: '',
  count: [0, 0],
  options: [
    { flag: 'model', value: 'NAME', help: 'The network, by its timm name.', required: true },
    { flag: 'weights', value: 'FILE', help: 'Its weights: .safetensors, .pth, or a checkpoint.', required: true },
    {
      flag: 'input',
      value: 'FILE',
      help: 'A safetensors file with normalised float32 pictures [B, 3, H, W], named images or alone in it.',
      required: true,
    },
    {
      flag: 'output',
      value: 'FILE',
      help:
        "Gets logits [B, K], what timm's model(x) returns in evaluation; of a distilled model also head and " +
        'head_dist, whose mean logits is.',
      required: true,
    },
    ...recipeOptions().filter(({ flag }) => flag === 'device'),
    THREADS,
  ],
  run: async (parsed, shell) => {
    const [weights, input, output] = ['weights', 'input', 'output'].map((flag) => pathValue(parsed, flag) ?? '');
    const model = textValue(parsed, 'model') ?? '';
    const threads = integerValue(parsed, 'threads', 1, 1024);
    const { engine, gpu } = await chooseEngine(recipeValues(parsed).device);
    const job = { kind: 'forward', engine, gpu, threads, model, weights, input, output } as const;
    const result = await inTrainer(job, shell);
    shell.reporter.result(`${result.output}: logits [${result.shape.join(', ')}]`, { type: 'result', ...result });
  },
};

const FORMATS = ['safetensors', 'pth'] as const;

export const exportWeights: Command = {
  name: 'export',
  summary: "Write a checkpoint's model for others, under timm's names.",
  words: '',
  count: [0, 0],
  options: [
    { flag: 'checkpoint', value: 'FILE', help: 'A checkpoint, or a run folder (its best one).', required: true },
    { flag: 'format', value: FORMATS.join('|'), choices: FORMATS, help: "Default: by the output's ending." },
    { flag: 'output', value: 'FILE', help: 'Where to write it.', required: true },
    { flag: 'average', value: null, help: 'The moving average of the model in its place, where one was kept.' },
    {
      flag: 'max-shard-size',
      value: 'MB',
      help: 'Beyond this the weights go to several files and an index, FILE.index.json. Default 5000 MB.',
    },
  ],
  run: async (parsed, shell) => {
    const output = pathValue(parsed, 'output') ?? '';
    const ending: ExportFormat = /\.(pth|pt|bin)$/.test(output) ? 'pth' : 'safetensors';
    const format = (textValue(parsed, 'format') as ExportFormat | undefined) ?? ending;
    const checkpoint = await withWeights(pathValue(parsed, 'checkpoint') ?? '', ({ path }) => path);
    const megabytes = integerValue(parsed, 'max-shard-size', 1, 1e6);
    const written = await exportFile(checkpoint, format, output, {
      shardBytes: megabytes && megabytes * 1e6,
      average: parsed.values.get('average') === true,
    });
    shell.reporter.result(`${written.path}: ${bytes(written.bytes)}`, { type: 'result', format, ...written });
  },
};

/** Does one job in a trainer process, showing its progress; an interruption ends it. */
export async function inTrainer<Job extends TrainerJob>(job: Job, shell: Shell): Promise<TrainerResults[Job['kind']]> {
  const trainer = spawnTrainer(job, {
    onEvent: (event) => {
      if (event.tell === 'progress') shell.reporter.progress(event.stage, event.done, event.total, 'files');
    },
  });
  const interrupts = shell.onInterrupt(
    () => trainer.stop(),
    () => trainer.kill(),
  );
  try {
    return await trainer.done;
  } finally {
    interrupts.release();
  }
}
