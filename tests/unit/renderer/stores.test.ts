import { beforeEach, describe, expect, test } from 'vitest';
import { StillhouseError, toPlainError } from '../../../src-main/protocol/errors.ts';
import { defaultRecipe } from '../../../src-main/protocol/recipe.ts';
import { useCheckpoints } from '../../../src-renderer/stores/checkpoints.ts';
import { useDataCheck } from '../../../src-renderer/stores/data-check.ts';
import { useDataset } from '../../../src-renderer/stores/dataset.ts';
import { useEngine } from '../../../src-renderer/stores/engine.ts';
import { useExports } from '../../../src-renderer/stores/exports.ts';
import { useJobs } from '../../../src-renderer/stores/jobs.ts';
import { useNotices } from '../../../src-renderer/stores/notices.ts';
import { useStartQuestion, type BusyAnswer } from '../../../src-renderer/stores/start-question.ts';
import { useRecipeCheck } from '../../../src-renderer/stores/recipe-check.ts';
import { useRecipeFile } from '../../../src-renderer/stores/recipe-file.ts';
import { useRecipeStart } from '../../../src-renderer/stores/recipe-start.ts';
import { useRecipe } from '../../../src-renderer/stores/recipe.ts';
import { useRun } from '../../../src-renderer/stores/run.ts';
import { useSystem } from '../../../src-renderer/stores/system.ts';
import { useTeachers } from '../../../src-renderer/stores/teachers.ts';
import { DATA, START, STEPS_PER_EPOCH, ScriptedService, epochRows } from '../../helpers/scripted-service.ts';
import { waitFor, windowClient, type WindowClient } from '../../helpers/window-client.ts';

let service: ScriptedService;
let window: WindowClient;
const open = (): void => void (window = windowClient(service));

beforeEach(() => {
  service = new ScriptedService();
});

describe('connection', () => {
  test('calls made before the port is open wait for it', async () => {
    open();
    const engine = useEngine();
    await engine.refresh();
    expect(engine.status?.state).toBe('verified');
    expect(engine.error).toBeNull();
  });

  test('a cut is told, and what was missed is read after it', async () => {
    open();
    const system = useSystem();
    const run = useRun();
    await waitFor(() => expect(run.listed).toBe(true));
    window.reachable = false;
    window.cut();
    expect(system.connection).toBe('lost');
    await expect(run.start({} as never)).rejects.toMatchObject({ code: 'rpc.closed' });
    service.addRun({ state: 'finished', epochs: 2 });
    window.reachable = true;
    system.retry();
    await waitFor(() => expect(run.list).toHaveLength(1));
    expect(system.connection).toBe('open');
    await waitFor(() => expect(run.history.epochs.length).toBe(2));
  });

  test('connects again by itself', async () => {
    open();
    const system = useSystem();
    await waitFor(() => expect(system.connection).toBe('open'));
    window.cut();
    await waitFor(() => expect(system.connection).toBe('open'));
  });
});

describe('run', () => {
  test('opens the newest run with its whole history', async () => {
    service.addRun({ state: 'finished', epochs: 1 });
    const newest = service.addRun({ state: 'stopped', epochs: 3 });
    open();
    const run = useRun();
    await waitFor(() => expect(run.detail).not.toBeNull());
    expect(run.currentId).toBe(newest);
    expect(run.history.epochs.length).toBe(3);
    expect(run.history.steps.last('step')).toBe(3 * STEPS_PER_EPOCH);
    expect(run.active).toBeNull();
  });

  test('gathers events and shows each row once, also those that came while the run was being read', async () => {
    const id = service.addRun({ state: 'running', epochs: 1 });
    open();
    const run = useRun();
    await waitFor(() => expect(run.detail).not.toBeNull());
    const before = run.version;
    for (const row of epochRows(1, true, 40)) service.append(id, [row]);
    await waitFor(() => expect(run.history.epochs.length).toBe(2));
    expect(run.history.steps.length).toBe(24 + 40);
    expect(run.version - before).toBeLessThanOrEqual(2);
    expect(run.live.get(id)?.step).toBe(2 * STEPS_PER_EPOCH);

    const reading = run.open(id);
    service.append(id, epochRows(2, true, 40));
    await reading;
    await waitFor(() => expect(run.history.epochs.length).toBe(3));
    // Events keep their order: with the rows of another epoch all before them have come, once.
    service.append(id, epochRows(3, true, 40));
    await waitFor(() => expect(run.history.epochs.length).toBe(4));
    expect(run.history.steps.length).toBe(24 + 120);
  });

  test('reads the whole of a long history in parts, with the rows that come meanwhile', async () => {
    const id = service.addRun({ state: 'running', epochs: 200, rowsEach: 100 });
    const all = service.history.get(id)!;
    const detail = service.handlers['run.detail'];
    service.handlers['run.detail'] = async (params) => {
      const read = await detail(params);
      const history = all.filter(({ type }, index) => type !== 'step' || index % 100 === 0);
      return { ...read, history, stepRows: 20_000 };
    };
    open();
    const run = useRun();
    await waitFor(() => expect(run.history.steps.length).toBeGreaterThan(0));
    service.append(id, epochRows(200, true, 40));
    await waitFor(() => expect(run.history.steps.length).toBe(20_040));
    await waitFor(() => expect(run.history.epochs.length).toBe(201));
    expect(run.history.steps.last('step')).toBe(201 * STEPS_PER_EPOCH);
  });

  test('reads a long history anew, with all of its rows, when a resume cuts it meanwhile', async () => {
    const id = service.addRun({ state: 'stopped', epochs: 200, rowsEach: 100 });
    const all = service.history.get(id)!;
    const { 'run.detail': detail, 'run.series': series } = service.handlers;
    const readings: number[] = [];
    let revision = 0;
    service.handlers['run.detail'] = async (params) => {
      const read = await detail(params);
      return { ...read, history: all.filter(({ type }) => type !== 'step'), stepRows: 20_000, revision };
    };
    service.handlers['run.series'] = async (params) => {
      readings.push(params.from);
      if (readings.length === 2) {
        const cut = all.filter((row) => (row.type !== 'step' && row.type !== 'epoch') || row.epoch < 170);
        all.splice(0, all.length, ...cut);
        revision = 1;
      }
      return { ...(await series(params)), revision };
    };
    open();
    const run = useRun();
    await waitFor(() => expect(run.history.steps.length).toBe(17_000));
    expect([...run.history.epochs.column('epoch')]).toEqual(Array.from({ length: 170 }, (_, index) => index + 1));
    expect(run.history.lastEpoch?.epoch).toBe(169);
    expect(readings.filter((from) => from === 0)).toHaveLength(2);
  });

  test('starting a run opens it; the state that its events tell reaches the list', async () => {
    open();
    const run = useRun();
    const recipe = useRecipe();
    await waitFor(() => expect(run.listed).toBe(true));
    const id = (await run.start(recipe.values))!;
    expect(run.currentId).toBe(id);
    expect(run.active?.id).toBe(id);
    await run.stop(id);
    await waitFor(() => expect(run.summary?.state).toBe('stopped'));
    expect(run.active).toBeNull();
    await run.remove(id);
    expect(run.list).toEqual([]);
    expect(run.currentId).toBe('');
  });

  test('a crash is shown with its error', async () => {
    const id = service.addRun({ state: 'running', epochs: 1 });
    open();
    const run = useRun();
    await waitFor(() => expect(run.detail).not.toBeNull());
    const error = toPlainError(new StillhouseError('run.died', { reason: 'signal SIGKILL' }));
    service.append(id, [{ type: 'state', time: START + 1e6, state: 'crashed', error }]);
    await waitFor(() => expect(run.summary?.state).toBe('crashed'));
    expect(run.summary?.error?.code).toBe('run.died');
  });

  test('a failure in the background becomes a notice', async () => {
    open();
    const run = useRun();
    const notices = useNotices();
    service.handlers['run.resume'] = async () => {
      throw new StillhouseError('run.no-checkpoint', { path: '/r' });
    };
    expect(await run.resume('gone-run')).toBe(false);
    expect(await run.resume('gone-run')).toBe(false);
    expect(notices.list.map((notice) => notice.kind === 'error' && notice.error.code)).toEqual(['run.no-checkpoint']);
  });
});

describe('jobs', () => {
  test('a data set is opened once its sample is built, and a cancelled build says nothing', async () => {
    open();
    const dataset = useDataset();
    const building = dataset.useSample();
    await waitFor(() => expect(dataset.sampleJob?.state).toBe('running'));
    service.progress({ ...dataset.sampleJob!, done: 12e6, rate: 4e6, secondsLeft: 9 });
    await waitFor(() => expect(dataset.sampleJob?.done).toBe(12e6));
    service.endJob(dataset.sampleJob!.job, { result: DATA });
    await building;
    expect(dataset.path).toBe(DATA);
    expect(dataset.summary?.classes).toHaveLength(10);

    const again = dataset.useSample();
    await waitFor(() => expect(dataset.sampleJob?.state).toBe('running'));
    await useJobs().cancel(dataset.sampleJob!.job);
    await again;
    expect(dataset.error).toBeNull();
  });

  test('a stopped check shows what it found, and findings are left out and taken back', async () => {
    open();
    const dataset = useDataset();
    await dataset.open(DATA);
    const files = [{ file: 'train/food/1.png', reason: 'the same as val/food/2.png' }];
    const found = {
      path: DATA,
      time: 1,
      total: 9,
      checked: 4,
      reused: 0,
      findings: [{ kind: 'leak' as const, count: 1, files }],
    };
    service.handlers['dataset.report'] = async () => found;
    service.handlers['dataset.exclude'] = async ({ kind, out }) => ({
      list: '/list',
      count: Number(out),
      kinds: out ? [kind] : [],
      files,
    });
    const check = useDataCheck();
    const checking = check.check();
    await waitFor(() => expect(check.job?.state).toBe('running'));
    await useJobs().cancel(check.job!.job);
    await checking;
    expect([check.report, check.error]).toEqual([found, null]);
    await check.exclude('leak', true);
    expect(check.excluded).toMatchObject({ count: 1, kinds: ['leak'] });
    await check.exclude('leak', false);
    expect(check.excluded).toMatchObject({ count: 0, kinds: [] });
  });

  test('a failed job rejects with its error', async () => {
    open();
    const engine = useEngine();
    const installing = engine.install();
    await waitFor(() => expect(engine.installing).toBe(true));
    const error = toPlainError(new StillhouseError('engine.download', { reason: 'no route to host' }));
    service.endJob(engine.job!.job, { state: 'failed', error });
    await installing;
    expect(engine.error?.code).toBe('engine.download');
    expect(engine.installing).toBe(false);
  });

  test('the plugin for the GPUs here is installed beside TensorFlow, and computes once it is ready', async () => {
    service.gpus = [{ index: 0, name: 'NVIDIA A10', memory: 24e9, memoryFree: 23e9, capability: 8.6, uuid: 'GPU-a' }];
    open();
    const engine = useEngine();
    await engine.refresh();
    expect(engine.status?.gpu).toMatchObject({
      device: 'cpu',
      plugin: 'pjrt-cuda12',
      reason: { code: 'gpu.no-engine' },
    });
    const installing = engine.install(undefined, 'pjrt-cuda12');
    await waitFor(() => expect(engine.pluginJob?.state).toBe('running'));
    expect(engine.installing).toBe(false);
    service.gpuEngine = 'verified';
    service.endJob(engine.pluginJob!.job, { state: 'done' });
    await installing;
    expect(engine.status?.gpu).toMatchObject({ device: 'cuda:0', reason: null });
    service.gpus = [];
    await engine.check();
    expect(engine.checking).toBe(false);
    expect(engine.status?.gpu).toMatchObject({ device: 'cpu' });
  });

  test('a folder that is not there leaves no summary and says why', async () => {
    open();
    const dataset = useDataset();
    await dataset.open('/nowhere');
    expect(dataset.summary).toBeNull();
    expect(dataset.error).toMatchObject({ code: 'data.no-folder', params: { path: '/nowhere' } });
    expect(dataset.reading).toBe(false);
  });

  test('a folder with two readings is read as chosen, beside what was chosen before, and by its contents again', async () => {
    open();
    const dataset = useDataset();
    const inspect = service.handlers['dataset.inspect'];
    const sent: (string | undefined)[] = [];
    let kept = '';
    service.handlers['dataset.reading'] = async () => kept;
    service.handlers['dataset.inspect'] = async ({ path, reading }) => {
      sent.push(reading);
      kept = reading ?? kept;
      const choices = kept.includes('list') ? ['labels=0', 'labels=1'] : ['list=a.csv', 'list=b.csv'];
      if (!kept.includes('labels'))
        throw new StillhouseError('data.lists-differ', { a: 'a', b: 'b', first: choices[0], second: choices[1] });
      return { ...(await inspect({ path })), reading: kept };
    };
    await dataset.open(DATA);
    expect([dataset.error?.params.first, dataset.chosenReading]).toEqual(['list=a.csv', '']);
    await dataset.chooseReading('list=b.csv');
    expect([dataset.error?.params.first, dataset.chosenReading]).toEqual(['labels=0', 'list=b.csv']);
    await dataset.chooseReading('labels=1');
    expect([dataset.error, dataset.chosenReading]).toEqual([null, 'list=b.csv,labels=1']);
    expect(dataset.summary?.classes).toHaveLength(10);
    await dataset.chooseReading('');
    expect([dataset.summary, dataset.chosenReading]).toEqual([null, '']);
    expect(sent.filter((said) => said !== undefined)).toEqual(['list=b.csv', 'list=b.csv,labels=1', '']);
  });

  test.each([
    ['classes', 'train=a,val=b'],
    ['train=a,val=b', 'classes'],
  ])('of two readings of a folder, %s and then %s, the newest answer stays', async (early, late) => {
    open();
    const dataset = useDataset();
    await dataset.open(DATA);
    const inspect = service.handlers['dataset.inspect'];
    const answers = new Map<string, () => void>();
    service.handlers['dataset.inspect'] = async ({ path, reading = '' }) => {
      await new Promise<void>((done) => answers.set(reading, done));
      if (reading === 'classes') throw new StillhouseError('data.no-classes', { path });
      return { ...(await inspect({ path })), reading };
    };
    const readings = [dataset.chooseReading(early), dataset.chooseReading(late)];
    await waitFor(() => expect(answers.size).toBe(2));
    answers.get(late)!();
    await readings[1];
    answers.get(early)!();
    await readings[0];
    expect(dataset.reading).toBe(false);
    expect(dataset.error?.code).toBe(late === 'classes' ? 'data.no-classes' : undefined);
    expect(dataset.summary?.reading).toBe(late === 'classes' ? undefined : late);
  });
});

describe('recipe', () => {
  test('says why it cannot start until it can', async () => {
    open();
    const recipe = useRecipe();
    const dataset = useDataset();
    await useEngine().refresh();
    recipe.usePreset('deit-defaults');
    expect(useRecipeCheck().blockers.map(({ key }) => key)).toEqual(['recipe.blocked.data']);
    await dataset.open(DATA);
    expect(recipe.values.dataPath).toBe(DATA);
    expect(useRecipeCheck().ready).toBe(true);
    recipe.set('epochs', 'many');
    expect(useRecipeCheck().problems.get('epochs')?.got).toBe('"many"');
    expect(useRecipeCheck().blockers.map(({ key }) => key)).toEqual(['recipe.blocked.problems']);
    recipe.set('epochs', '3');
    expect(recipe.values.epochs).toBe(3);
    expect(await useRecipeStart().start()).toBe(true);
    expect(useRecipeCheck().ready).toBe(true);
  });

  test('gives back what a preset, a file or weights replaced, until it is changed again', async () => {
    open();
    const [recipe, notices] = [useRecipe(), useNotices()];
    recipe.usePreset('deit-defaults');
    recipe.usePreset('sample-student');
    expect(notices.list).toEqual([]);
    for (const replace of [
      () => recipe.usePreset('deit-defaults'),
      () => useRecipeFile().read({ values: { epochs: 9 }, problems: [], unused: [] }),
      () => recipe.fineTuneFrom({ path: '/w.pth' }),
    ]) {
      recipe.set('lr', 0.0123);
      recipe.set('epochs', 'many');
      const before = [recipe.task, recipe.values, recipe.basePreset?.id];
      replace();
      expect(recipe.values.lr).not.toBe(0.0123);
      expect(notices.list).toMatchObject([{ kind: 'fact', key: 'recipe.replaced' }]);
      notices.undo(notices.list[0].id);
      expect([recipe.task, recipe.values, recipe.basePreset?.id]).toEqual(before);
      expect(useRecipeCheck().problems.get('epochs')?.got).toBe('"many"');
      expect(notices.list).toEqual([]);
    }
    recipe.usePreset('deit-defaults');
    recipe.set('epochs', 3);
    expect(notices.list).toEqual([]);
  });

  test('goes on from a checkpoint with the settings that DeiT fine-tunes with', async () => {
    open();
    const recipe = useRecipe();
    await useDataset().open(DATA);
    recipe.usePreset('deit-defaults');
    recipe.set('lr', 1e-3);
    recipe.fineTuneFrom({ model: 'deit_tiny_patch16_224', path: '/run/checkpoints/last.safetensors', inputSize: 96 });
    expect(recipe.task).toBe('student');
    expect(recipe.values).toMatchObject({
      ...{ model: 'deit_tiny_patch16_224', finetune: '/run/checkpoints/last.safetensors', inputSize: 96 },
      ...{ lr: 5e-6, minLr: 5e-6, unscaleLr: true, weightDecay: 1e-8, epochs: 30, dataPath: DATA },
    });
    expect(recipe.command).toContain('--preset fine-tune');
  });

  test('a start while another run trains is asked about: it waits, begins all the same, or is left', async () => {
    service.addRun({ state: 'running', epochs: 1 });
    open();
    const recipe = useRecipe();
    const question = useStartQuestion();
    const run = useRun();
    await useEngine().refresh();
    recipe.usePreset('deit-defaults');
    await useDataset().open(DATA);
    const answered = async (answer: BusyAnswer): Promise<boolean> => {
      const started = useRecipeStart().start();
      await waitFor(() => expect(question.asking?.busy.code).toBe('run.busy'));
      question.asking!.answer(answer);
      return started;
    };
    expect(await answered(null)).toBe(false);
    expect(run.list).toHaveLength(1);
    expect(await answered('queue')).toBe(false);
    expect(service.calls.filter((name) => name === 'queue.add')).toHaveLength(1);
    expect(await answered('anyway')).toBe(true);
    expect(run.list).toHaveLength(2);
    expect(question.asking).toBeNull();
  });

  test('shows what the service finds, beside the field it names', async () => {
    open();
    const recipe = useRecipe();
    await useDataset().open(DATA);
    recipe.set('inputSize', 100);
    await waitFor(() => expect(useRecipeCheck().problems.get('inputSize')?.expected).toBe('a multiple of 16'));
    await waitFor(() => expect(useRecipeCheck().errors.map(({ code }) => code)).toEqual(['teacher.missing']));
    expect(useRecipeCheck().fieldErrors.get('teacherPath')?.code).toBe('teacher.missing');
    recipe.set('inputSize', '96');
    await waitFor(() => expect(useRecipeCheck().problems.size).toBe(0));
  });

  test('keeps a draft for each task, marks what was changed and writes the command', async () => {
    open();
    const recipe = useRecipe();
    recipe.usePreset('deit-defaults');
    expect(recipe.changed).toEqual([]);
    recipe.set('lr', '1e-3');
    recipe.set('dropPath', '0.');
    expect(recipe.values.dropPath).toBe(0);
    expect(recipe.changed).toEqual(['dropPath', 'lr']);
    expect(recipe.preset).toBeNull();
    recipe.task = 'teacher';
    expect(recipe.values.model).toBe('tf_efficientnet_lite0');
    recipe.task = 'student';
    recipe.reset('dropPath');
    recipe.set('repeatedAug', false);
    recipe.set('aa', '');
    await useDataset().open("/data/Ada's images");
    expect(recipe.command).toBe(
      "stillhouse train --data-path '/data/Ada'\\''s images' --model deit_tiny_distilled_patch16_224 --lr 0.001 --aa '' --no-repeated-aug",
    );
  });

  test('offers the finished teachers of this data set, best checkpoint first', async () => {
    const recipe = { ...defaultRecipe(), model: 'tf_efficientnet_lite0', epochs: 3 };
    const teacher = service.addRun({ recipe: { ...recipe, dataPath: DATA }, state: 'finished', epochs: 3 });
    service.addRun({ recipe: { ...recipe, dataPath: '/other' }, state: 'finished', epochs: 3 });
    service.addRun({ state: 'finished', epochs: 3 });
    open();
    const teachers = useTeachers();
    await useDataset().open(DATA);
    await waitFor(() => expect(teachers.options).toHaveLength(1));
    expect(teachers.options[0]).toMatchObject({ run: teacher, model: 'tf_efficientnet_lite0' });
    expect(teachers.options[0].path).toMatch(/\/checkpoints\/epoch-0003\.safetensors$/);
  });
});

describe('checkpoints', () => {
  test('follow the open run and its events; an export tells where it went', async () => {
    const id = service.addRun({ state: 'running', epochs: 2 });
    open();
    const checkpoints = useCheckpoints();
    await waitFor(() => expect(checkpoints.list).toHaveLength(2));
    expect(checkpoints.list[0]).toMatchObject({ epoch: 1, last: true });
    service.append(id, epochRows(2, true, 4));
    await waitFor(() => expect(checkpoints.list).toHaveLength(3));
  });
});

describe('exports', () => {
  test('are written, listed and deleted; one that is checked tells what was found', async () => {
    service.addRun({ state: 'finished', epochs: 2 });
    open();
    const checkpoints = useCheckpoints();
    await waitFor(() => expect(checkpoints.list).toHaveLength(2));
    const [exports, run] = [useExports(), useRun()];
    await exports.write({ checkpoint: 'epoch-0002.safetensors', items: [{ format: 'pth' }], folder: '/tmp' });
    const { path } = exports.open!;
    expect(exports.open).toMatchObject({ path: expect.stringMatching(/^\/tmp\/.*\.pth$/) as string, format: 'pth', check: null }); // prettier-ignore
    const checked = exports.check(path, 16);
    expect([exports.checking, exports.error]).toEqual([path, null]);
    await waitFor(() => expect(exports.job?.state).toBe('running'));
    service.endJob(exports.job!.job, { state: 'failed', error: toPlainError(new StillhouseError('engine.missing')) });
    await checked;
    expect([exports.checking, exports.error?.code]).toEqual(['', 'engine.missing']);
    await exports.remove(run.currentId, path);
    expect([exports.list, exports.open]).toEqual([[], null]);
  });
});
