import type { RecipeKey } from './recipe.ts';

/** One option of DeiT's programs, and what became of it here. */
export interface DeitFlag {
  /** As DeiT writes it, without the leading dashes. */
  flag: string;
  /** DeiT's default as it is typed; '' for none or an empty text, `off` and `on` for switches. */
  default: string;
  /** The settings that it is here; [] where it is none. */
  keys: readonly RecipeKey[];
  /** Difference to DeiT that is on purpose; missing where there is none. */
  differs?: string;
  /** The command line reads it and says that it changes nothing; the values of it that do are refused. */
  ignored?: { only?: readonly string[] };
}

function same(key: RecipeKey, flag: string, initial: string): DeitFlag {
  return { flag, default: initial, keys: [key] };
}

function other(key: RecipeKey, flag: string, initial: string, differs: string): DeitFlag {
  return { flag, default: initial, keys: [key], differs };
}

function none(flag: string, initial: string, differs: string, ignored?: DeitFlag['ignored']): DeitFlag {
  return { flag, default: initial, keys: [], differs, ...(ignored && { ignored }) };
}

/** Every option of DeiT's main.py at its last commit, in its order. Switches stand once, without their `--no-…`. */
export const DEIT_FLAGS: readonly DeitFlag[] = [
  other('batchSize', 'batch-size', '64', 'The images of a step. DeiT counts those of one process: multiply by yours.'),
  same('epochs', 'epochs', '300'),
  other('bceLoss', 'bce-loss', 'off', 'Wants --smoothing 0: with smoothing DeiT makes every class a yes.'),
  same('unscaleLr', 'unscale-lr', 'off'),
  other(
    'model',
    'model',
    'deit_base_patch16_224',
    'The default is the small distilled model, which a laptop can train.',
  ),
  same('inputSize', 'input-size', '224'),
  same('drop', 'drop', '0'),
  same('dropPath', 'drop-path', '0.1'),
  other(
    'modelEma',
    'model-ema',
    'on',
    'Off unless asked for: an average costs a second evaluation, and is scored here.',
  ),
  same('modelEmaDecay', 'model-ema-decay', '0.99996'),
  none('model-ema-force-cpu', 'off', 'The average lies where the model does.', {}),
  other('opt', 'opt', 'adamw', 'adamw, sgd, momentum and lamb, also by the names of their fused forms.'),
  same('optEps', 'opt-eps', '1e-8'),
  other('optBeta1', 'opt-betas', '', 'Two settings, 0.9 and 0.999: what AdamW makes of none. The flag sets both.'),
  other('clipGrad', 'clip-grad', '', '0 is none.'),
  same('momentum', 'momentum', '0.9'),
  same('weightDecay', 'weight-decay', '0.05'),
  other('sched', 'sched', 'cosine', 'plateau follows Acc@1; DeiT gives it no score, and stops.'),
  same('lr', 'lr', '5e-4'),
  same('lrNoise', 'lr-noise', ''),
  same('lrNoisePct', 'lr-noise-pct', '0.67'),
  same('lrNoiseStd', 'lr-noise-std', '1'),
  same('warmupLr', 'warmup-lr', '1e-6'),
  same('minLr', 'min-lr', '1e-5'),
  same('decayEpochs', 'decay-epochs', '30'),
  same('warmupEpochs', 'warmup-epochs', '5'),
  other(
    'cooldownEpochs',
    'cooldown-epochs',
    '10',
    'Adds epochs at the lowest rate, so 0. DeiT names 10 and does nothing.',
  ),
  same('patienceEpochs', 'patience-epochs', '10'),
  same('decayRate', 'decay-rate', '0.1'),
  same('colorJitter', 'color-jitter', '0.3'),
  other('aa', 'aa', 'rand-m9-mstd0.5-inc1', 'RandAugment and AutoAugment (original, v0).'),
  same('smoothing', 'smoothing', '0.1'),
  same('trainInterpolation', 'train-interpolation', 'bicubic'),
  other('repeatedAug', 'repeated-aug', 'on', 'Works in one process too; DeiT then leaves it out.'),
  same('trainMode', 'train-mode', 'on'),
  same('threeAugment', 'ThreeAugment', 'off'),
  same('src', 'src', 'off'),
  same('reprob', 'reprob', '0.25'),
  same('remode', 'remode', 'pixel'),
  same('recount', 'recount', '1'),
  none('resplit', 'off', 'DeiT reads it and never uses it.', {}),
  same('mixup', 'mixup', '0.8'),
  same('cutmix', 'cutmix', '1'),
  same('cutmixMinmax', 'cutmix-minmax', ''),
  same('mixupProb', 'mixup-prob', '1'),
  same('mixupSwitchProb', 'mixup-switch-prob', '0.5'),
  same('mixupMode', 'mixup-mode', 'batch'),
  same('teacherModel', 'teacher-model', 'regnety_160'),
  other('teacherPath', 'teacher-path', '', 'Also ONNX, SavedModel and auto. Of an address the fetched file is kept.'),
  same('distillationType', 'distillation-type', 'none'),
  same('distillationAlpha', 'distillation-alpha', '0.5'),
  same('distillationTau', 'distillation-tau', '1'),
  same('cosub', 'cosub', 'off'),
  other('finetune', 'finetune', '', 'Of an address the fetched file is kept.'),
  same('attnOnly', 'attn-only', 'off'),
  other('dataPath', 'data-path', '/datasets01/imagenet_full_size/061417/', 'None: it is asked for.'),
  other(
    'dataReading',
    'data-set',
    'IMNET',
    'None: what is there is recognised. CIFAR10, FLOWERS and CARS are taken too.',
  ),
  other('dataReading', 'inat-category', 'name', 'None, which is name.'),
  other('outputDir', 'output_dir', '', 'Empty is a new folder among your runs, not nowhere.'),
  other('device', 'device', 'cuda', 'auto: a GPU where one computes, else the processor.'),
  same('seed', 'seed', '0'),
  none('resume', '', 'Not a setting: `stillhouse train --resume`, which goes on exactly where the run stood.'),
  none('start_epoch', '0', 'A run goes on at the step it was at; a new one begins at 0.', { only: ['0'] }),
  none('eval', 'off', 'Of `stillhouse train`, as in DeiT; `stillhouse evaluate` reports more.'),
  same('evalCropRatio', 'eval-crop-ratio', '0.875'),
  none(
    'dist-eval',
    'off',
    'Always on: processes share the images, each counts once. DeiT without it: each scores all.',
    {},
  ),
  other('numWorkers', 'num_workers', '10', 'Threads of one process, of which two feed what a laptop computes.'),
  none('pin-mem', 'on', 'Batches are copied once, into memory of the engine.', {}),
  none('distributed', 'off', 'DeiT reads it and never uses it.', {}),
  none(
    'world_size',
    '1',
    'Of `stillhouse train`: as many as torchrun or srun have started. `--nproc` starts them here.',
  ),
  none('dist_url', 'env://', 'Of `stillhouse train`: where process 0 waits for the others.'),
];

/** Further options of DeiT's run_with_submitit.py, in its order. */
export const SUBMITIT_FLAGS: readonly DeitFlag[] = [
  none('ngpus', '8', 'Of `stillhouse submit`, where the default is 1: the tasks on each node.', {}),
  none('nodes', '2', 'Of `stillhouse submit`, where the default is 1.', {}),
  none('timeout', '2800', 'Of `stillhouse submit`. Without Slurm nothing ends a training but Ctrl-C.', {}),
  other(
    'outputDir',
    'job_dir',
    '',
    'The folder of the run; %j, the number of the job, with `stillhouse submit` alone.',
  ),
  none('partition', 'learnfair', "Of `stillhouse submit`, where the default is the cluster's.", {}),
  none('use_volta32', 'off', 'Of `stillhouse submit`: nodes with the feature volta32gb.', {}),
  none('comment', '', 'Of `stillhouse submit`.', {}),
];

/** Finds DeiT's option by a name with dashes, underscores or capitals; undefined for no option of DeiT. */
export function deitFlagOf(name: string): DeitFlag | undefined {
  const plain = (text: string): string => text.replace(/[-_]/g, '').toLowerCase();
  return [...DEIT_FLAGS, ...SUBMITIT_FLAGS].find(({ flag }) => plain(flag) === plain(name));
}
