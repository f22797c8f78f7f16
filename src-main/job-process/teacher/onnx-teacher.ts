import { bundlePath } from '../../base/bundle.ts';
import { Worker } from 'node:worker_threads';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { reason, sayReason, type Reason } from '../../protocol/reasons.ts';
import type { OnnxAnswer, OnnxOrder, OnnxQuestion } from './onnx-protocol.ts';

/** An ONNX file that answers images, on a thread of its own. */
export class OnnxTeacher {
  private readonly waiting: { resolve(answer: OnnxAnswer): void; reject(error: Error): void }[] = [];
  private over: StillhouseError | null = null;

  private constructor(
    private readonly worker: Worker,
    private readonly path: string,
  ) {
    worker.on('message', (answer: OnnxAnswer) => this.waiting.shift()?.resolve(answer));
    worker.on('error', (error) => this.end(reasonOf(error)));
    worker.on('exit', (code) => this.end(reason('thread.code', { code })));
  }

  /**
   * Starts the thread and loads the file.
   * @param entry the thread's bundle; `onnx.worker.mjs` beside this one when left out.
   * @throws StillhouseError `teacher.run` with ONNX Runtime's words.
   */
  static async open(order: OnnxOrder, entry = bundlePath('onnx.worker.mjs')): Promise<OnnxTeacher> {
    const teacher = new OnnxTeacher(new Worker(entry, { workerData: order }), order.path);
    try {
      teacher.require(await teacher.next());
      return teacher;
    } catch (error) {
      await teacher.close();
      throw error;
    }
  }

  /**
   * The output for `count` images. The memory of `images` is handed over and gone afterwards. Several questions may
   * be open; they are answered in order.
   * @throws StillhouseError `teacher.run`
   */
  async ask(images: Float32Array, count: number): Promise<{ values: Float32Array; shape: number[] }> {
    const question: OnnxQuestion = { images, count };
    const answer = this.next();
    this.worker.postMessage(question, [images.buffer as ArrayBuffer]);
    const { values, shape } = this.require(await answer);
    return { values, shape };
  }

  /** Fails what is still asked, and ends the thread after what it computes now. */
  async close(): Promise<void> {
    this.end(reason('thread.closed'));
    await this.worker.terminate();
  }

  private next(): Promise<OnnxAnswer> {
    if (this.over) return Promise.reject(this.over);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  private require(answer: OnnxAnswer) {
    if (answer.tell === 'failed') throw this.failure(answer.reason);
    return answer.tell === 'answer' ? answer : { values: new Float32Array(0), shape: [] };
  }

  private end(why: Reason): void {
    this.over ??= this.failure(why);
    for (const { reject } of this.waiting.splice(0)) reject(this.over);
  }

  private failure(why: Reason): StillhouseError {
    return new StillhouseError('teacher.run', { path: this.path, reason: inOneLine(why) });
  }
}

// ONNX Runtime's words go over many lines.
function inOneLine(why: Reason): Reason {
  if (why.code !== 'raw.text') return why;
  const text = sayReason(why).trim().replace(/\s+/g, ' ').replace(/\.$/, '').slice(0, 500);
  return reason('raw.text', { text });
}
