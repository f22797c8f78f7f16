import { StillhouseError, fromPlainError } from '../../protocol/errors.ts';
import { MOST_PHOTO_BYTES, type PhotoAnswer } from '../../protocol/evaluation.ts';
import type { CallParams, Handlers } from '../../protocol/service.ts';
import { readableBytes } from '../../base/bytes.ts';
import type { EngineManager } from '../engine/engine-manager.ts';
import { checkpointOf } from './evaluations.ts';
import type { SpawnJob } from '../runs/run-control.ts';
import type { RunStore } from '../runs/run-store.ts';
import type { JobProcess } from '../../jobs/job-process.ts';
import type { JobEvent } from '../../jobs/job-protocol.ts';

/** Milliseconds that a network stays loaded after the last image it answered. */
const WARM = 60_000;
/** Images that are held at the same time. */
const MOST_PHOTOS = 4;

interface Parts {
  shelf: RunStore;
  engine: EngineManager;
  spawnJob: SpawnJob;
  /** The file that a path, an address or a name means. @throws StillhouseError `weights.not-here` */
  here(path: string): Promise<string>;
}

/** Images that a person tries on the newest checkpoint of a run, also while it trains, or on weights from elsewhere. */
export class Photos {
  private readonly photos = new Map<string, Uint8Array>();
  private oracle: Oracle | null = null;

  constructor(private readonly parts: Parts) {}

  handlers() {
    return {
      'photo.add': async (piece) => ({ bytes: this.add(piece) }),
      'photo.answer': (asked) => this.answer(asked),
    } satisfies Partial<Handlers>;
  }

  async close(): Promise<void> {
    await this.oracle?.close();
  }

  /** Takes a piece of an image; the first begins it anew. @throws StillhouseError `photo.too-large`, `photo.gone` */
  private add({ photo, offset, data }: CallParams<'photo.add'>): number {
    const held = offset === 0 ? new Uint8Array() : this.photos.get(photo);
    if (held?.length !== offset) throw new StillhouseError('photo.gone');
    const piece = Buffer.from(data, 'base64');
    const bytes = offset + piece.length;
    this.photos.delete(photo);
    if (bytes > MOST_PHOTO_BYTES) {
      const most = readableBytes(MOST_PHOTO_BYTES);
      throw new StillhouseError('photo.too-large', { got: readableBytes(bytes), most });
    }
    this.photos.set(photo, Buffer.concat([held, piece]));
    if (this.photos.size > MOST_PHOTOS) this.photos.delete(this.photos.keys().next().value!);
    return bytes;
  }

  /** Asks the newest checkpoint where none is named; one that its run dropped before it was read gives way to the next. */
  private async answer({ photo, average = false, ...asked }: CallParams<'photo.answer'>): Promise<PhotoAnswer> {
    const image = this.photos.get(photo);
    if (!image) throw new StillhouseError('photo.gone');
    const { engine } = await this.parts.engine.choose('cpu');
    for (let before = ''; ;) {
      const weights = await this.weightsOf(asked);
      try {
        return await this.oracleOf(weights, average, engine).ask(image);
      } catch (error) {
        const dropped = error instanceof StillhouseError && error.code === 'file.missing' && weights !== before;
        if (!dropped || !asked.run || asked.checkpoint) throw error;
        before = weights;
      }
    }
  }

  private oracleOf(weights: string, average: boolean, engine: string): Oracle {
    const key = `${weights} ${average}`;
    if (this.oracle?.key === key && !this.oracle.ended) return this.oracle;
    void this.oracle?.close();
    const job = { kind: 'predict', engine, weights, average, settings: {} } as const;
    return (this.oracle = new Oracle(key, (onEvent) => this.parts.spawnJob(job, { onEvent })));
  }

  /** @throws StillhouseError `run.missing`, `run.no-checkpoint`, `weights.not-here`, `argument.invalid` */
  private async weightsOf({ run, checkpoint, path }: Pick<CallParams<'photo.answer'>, 'run' | 'checkpoint' | 'path'>) {
    if (run) return checkpointOf(this.parts.shelf.pathOf(run), checkpoint, 'last');
    if (path) return this.parts.here(path);
    throw new StillhouseError('argument.invalid', { name: 'photo.answer', expected: 'run, path', got: '–' });
  }
}

interface Waiting {
  resolve(answer: PhotoAnswer): void;
  reject(error: unknown): void;
}

/** A process that answers images with one checkpoint, and ends when nobody has asked for a minute. */
class Oracle {
  ended = false;
  private readonly child: JobProcess<'predict'>;
  private readonly waiting = new Map<number, Waiting>();
  /** Questions from before the process could hear. */
  private early: (() => void)[] | null = [];
  private next = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    readonly key: string,
    spawn: (onEvent: (event: JobEvent) => void) => JobProcess<'predict'>,
  ) {
    this.child = spawn((event) => this.hear(event));
    const fail = (error: unknown): void => {
      this.ended = true;
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
    this.child.done.then(() => fail(new StillhouseError('job.cancelled')), fail);
  }

  ask(image: Uint8Array): Promise<PhotoAnswer> {
    clearTimeout(this.timer);
    const question = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(question, { resolve, reject });
      const send = (): void => this.child.ask(question, image);
      if (this.early) this.early.push(send);
      else send();
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.timer);
    this.ended = true;
    this.child.stop();
    await this.child.done.catch(() => undefined);
  }

  private hear(event: JobEvent): void {
    if (event.tell === 'ready') {
      this.early?.forEach((send) => send());
      this.early = null;
    }
    if (event.tell !== 'answer' && event.tell !== 'refused') return;
    const waiting = this.waiting.get(event.question);
    this.waiting.delete(event.question);
    if (event.tell === 'answer') waiting?.resolve(event.answer);
    else waiting?.reject(fromPlainError(event.error));
    if (this.waiting.size > 0) return;
    this.timer = setTimeout(() => void this.close(), WARM);
    this.timer.unref();
  }
}
