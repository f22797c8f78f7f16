import type { DistilPlan } from '../../protocol/distillation.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { ENDED } from '../../protocol/events.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import type { RunSummary } from '../../protocol/data-types.ts';
import { readPlan, writePlan } from '../../runs/distil-file.ts';
import { taught, trainedWeights } from './plan.ts';

/** Parts of the service that a distillation uses. */
export interface DistillerParts {
  homeFolder: string;
  /** A run of the shelf; null where it is gone. */
  run(id: string): RunSummary | null;
  /** Whether this service trains a run now. */
  trains(id: string): boolean;
  /** Gets a network's ImageNet weights for a plan. @returns the path. */
  fetchWeights(model: string, plan: string): Promise<string>;
  /** Starts a run. @returns its id. @throws StillhouseError whatever keeps the recipe from being trained. */
  begin(recipe: Partial<Recipe>): Promise<string>;
  /** Goes on with a run. */
  resume(run: string): Promise<void>;
}

/** The run that was started; null when all is done. */
export type Begun = { step: 'teacher' | 'student'; run: string } | null;

/**
 * Takes a plan one training further. What is done is seen from the disk alone, so that any start of Stillhouse goes on
 * where another one ended: with the download, with a teacher that is half trained, or with the student.
 */
export class Distiller {
  constructor(private readonly parts: DistillerParts) {}

  /**
   * Begins the next training of a plan, or goes on with one that stands.
   * @throws StillhouseError `distil.missing`, `run.locked`, and whatever keeps it from being trained.
   */
  async proceed(id: string): Promise<Begun> {
    const plan = this.plan(id);
    const student = this.find(plan.student.run);
    if (student) return this.goOn('student', student);
    const path = await this.teacherPath(plan);
    if (path === null) return this.beginTeacher(plan);
    const whole = this.keep({ ...plan, teacher: { ...plan.teacher, path } });
    const run = await this.parts.begin(taught(whole));
    this.keep({ ...whole, student: { ...whole.student, run } });
    return { step: 'student', run };
  }

  /** @throws StillhouseError `distil.missing` */
  plan(id: string): DistilPlan {
    const plan = readPlan(this.parts.homeFolder, id);
    if (!plan) throw new StillhouseError('distil.missing', { plan: id });
    return plan;
  }

  /** The weights of its teacher; null where these are still to be trained. */
  private async teacherPath({ id, teacher }: DistilPlan): Promise<string | null> {
    if (teacher.origin === 'published') return teacher.path ?? this.parts.fetchWeights(teacher.model, id);
    if (teacher.origin !== 'made') return teacher.path;
    const run = this.find(teacher.run);
    return run?.state === 'finished' ? trainedWeights(run.path) : null;
  }

  private async beginTeacher(plan: DistilPlan): Promise<Begun> {
    const { teacher } = plan;
    const standing = this.find(teacher.run);
    if (standing) return this.goOn('teacher', standing);
    const { model, start, recipe } = teacher;
    const weights = start === 'published' ? { finetune: await this.parts.fetchWeights(model, plan.id) } : {};
    const run = await this.parts.begin({ ...recipe, ...weights });
    this.keep({ ...plan, teacher: { ...teacher, run } });
    return { step: 'teacher', run };
  }

  private async goOn(step: 'teacher' | 'student', run: RunSummary): Promise<Begun> {
    if (run.state === 'finished' && step === 'student') return null;
    if (this.parts.trains(run.id)) return { step, run: run.id };
    // Another Stillhouse trains it.
    if (!ENDED.includes(run.state)) throw new StillhouseError('run.busy', { run: run.id });
    await this.parts.resume(run.id);
    return { step, run: run.id };
  }

  private find(run: string | null): RunSummary | null {
    return run === null ? null : this.parts.run(run);
  }

  private keep(plan: DistilPlan): DistilPlan {
    writePlan(this.parts.homeFolder, plan);
    return plan;
  }
}

/** Makes the error of a student that cannot start, because its teacher ended early. */
export function withoutTeacher({ id, state }: RunSummary): StillhouseError {
  return new StillhouseError(state === 'stopped' ? 'distil.teacher-stopped' : 'distil.teacher-failed', { run: id });
}
