import * as v from 'valibot';
import { DEVICE_PATTERN } from './device.ts';
import { FINDING_KINDS } from './data-types.ts';
import type { TeacherCard } from './teacher-card.ts';
import type {
  BatchPreview,
  CheckpointInfo,
  DatasetReport,
  DatasetSummary,
  EngineReport,
  ExcludedList,
  Folder,
  MemoryForecast,
  ModelCard,
  PicturePage,
  RecipeCheck,
  RunDetail,
  RunProfile,
  RunSummary,
  SystemInfo,
} from './data-types.ts';

/**
 * Every call a front can make, with the schema of its parameters. Calls command; what becomes of them is told by
 * events (`events.ts`). The schemas are checked at the port, before any handler.
 *
 * To add a call: 1. a line here, 2. its handler in `service/workstation.ts`, 3. a test over a real port.
 */
const text = v.pipe(v.string(), v.maxLength(4096));
const runId = v.pipe(v.string(), v.regex(/^[\w.-]{1,128}$/));
const index = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1e9));
const recipe = v.record(v.pipe(v.string(), v.maxLength(64)), v.union([v.string(), v.number(), v.boolean()]));

const device = v.pipe(v.string(), v.regex(new RegExp(DEVICE_PATTERN)));
const engineDevice = v.picklist(['cpu', 'cuda']);

function call<Params extends v.GenericSchema, Result>(params: Params, _result: () => Result) {
  return { params, result: undefined as unknown as Result };
}
const of = <Result>() => undefined as unknown as Result;

export const CALLS = {
  'system.info': call(v.strictObject({}), of<SystemInfo>),
  'system.browse': call(v.strictObject({ path: v.optional(text) }), of<Folder>),
  /** `device` asks what a training on it would come to; `auto` when left out. */
  'engine.status': call(v.strictObject({ device: v.optional(device) }), of<EngineReport>),
  /** Installs the engine of the processor, or of GPUs; the job's result is its EngineStatus. */
  'engine.install': call(
    v.strictObject({ from: v.optional(text), device: v.optional(engineDevice) }),
    of<{ job: string }>,
  ),
  'engine.verify': call(v.strictObject({ device: v.optional(engineDevice) }), of<EngineReport>),
  /** Looks for GPUs again, with the driver and with the GPU engine. */
  'engine.check': call(v.strictObject({ device: v.optional(device) }), of<EngineReport>),
  /** The wheels of an engine as pip's requirements. */
  'engine.wheels': call(v.strictObject({ device: engineDevice }), of<string>),
  'job.cancel': call(v.strictObject({ job: text }), of<null>),
  'job.list': call(v.strictObject({}), of<import('./events.ts').JobProgress[]>),
  'dataset.inspect': call(v.strictObject({ path: text }), of<DatasetSummary>),
  /**
   * Decodes every picture that has not been since it changed, with `anew` every picture; the job's result is a
   * DatasetReport. One that is cancelled leaves a report of what it has checked, and the next goes on from there.
   */
  'dataset.check': call(v.strictObject({ path: text, anew: v.optional(v.boolean()) }), of<{ job: string }>),
  'dataset.report': call(v.strictObject({ path: text }), of<DatasetReport | null>),
  'dataset.excluded': call(v.strictObject({ path: text }), of<ExcludedList>),
  /** Leaves out, or uses again, every picture that the last check found of one kind. */
  'dataset.exclude': call(
    v.strictObject({ path: text, kind: v.picklist(FINDING_KINDS), out: v.boolean() }),
    of<ExcludedList>,
  ),
  'dataset.pictures': call(
    v.strictObject({
      path: text,
      split: v.picklist(['train', 'val']),
      class: v.optional(text),
      offset: index,
      limit: v.pipe(index, v.maxValue(500)),
    }),
    of<PicturePage>,
  ),
  /** Pictures of a batch as the student will see them, with what was drawn; the last batch where there are fewer. */
  'dataset.preview': call(
    v.strictObject({ recipe, epoch: index, batch: index, count: v.pipe(index, v.minValue(1), v.maxValue(64)) }),
    of<BatchPreview>,
  ),
  /** Builds the sample data set; the job's result is its path. */
  'dataset.sample': call(v.strictObject({}), of<{ job: string }>),
  /** Fetches the ImageNet weights of a teacher; the job's result is the file's path. */
  'weights.fetch': call(v.strictObject({ model: text }), of<{ job: string }>),
  /** What is known of a teacher: `model` is the network of a weight file. */
  'teacher.card': call(v.strictObject({ path: text, model: text }), of<TeacherCard>),
  'models.list': call(v.strictObject({}), of<ModelCard[]>),
  'recipe.check': call(v.strictObject({ recipe }), of<RecipeCheck>),
  /** What a training would hold in memory: an engine records its step, which takes seconds. */
  'recipe.forecast': call(v.strictObject({ recipe }), of<MemoryForecast>),
  'run.start': call(v.strictObject({ recipe }), of<{ run: string }>),
  'run.stop': call(v.strictObject({ run: runId }), of<null>),
  /** `changes` are settings that the run goes on with instead of its own. */
  'run.resume': call(
    v.strictObject({ run: runId, checkpoint: v.optional(text), changes: v.optional(recipe) }),
    of<null>,
  ),
  'run.list': call(v.strictObject({}), of<RunSummary[]>),
  'run.detail': call(v.strictObject({ run: runId }), of<RunDetail>),
  /** The ops of the step that was profiled; null where none was. */
  'run.profile': call(v.strictObject({ run: runId }), of<RunProfile | null>),
  'run.delete': call(v.strictObject({ run: runId }), of<null>),
  'checkpoint.list': call(v.strictObject({ run: runId }), of<CheckpointInfo[]>),
  'checkpoint.delete': call(v.strictObject({ run: runId, file: text }), of<null>),
  'export.write': call(
    v.strictObject({
      run: runId,
      checkpoint: text,
      format: v.picklist(['safetensors', 'pth']),
      output: v.optional(text),
    }),
    of<{ path: string; bytes: number }>,
  ),
} as const;

export type CallName = keyof typeof CALLS;
export type CallParams<Name extends CallName> = v.InferOutput<(typeof CALLS)[Name]['params']>;
export type CallResult<Name extends CallName> = (typeof CALLS)[Name]['result'];

/** What answers the calls: the workstation, or a client of one. */
export type Handlers = { [Name in CallName]: (params: CallParams<Name>) => Promise<CallResult<Name>> };
