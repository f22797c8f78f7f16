import { serveWorkers } from '../../data/batches/worker-threads.ts';
import { loadLibrary } from '../../runtime/library.ts';
import { engineDecodeNow } from './engine-decode.ts';
import type { DecoderData } from './decode-workers.ts';

/** A thread of the trainer that reads, decodes and augments images (`dist/main/decode.worker.mjs`). */
serveWorkers(({ folder, context }: DecoderData) => engineDecodeNow({ tf: loadLibrary(folder), context }));

/** Milliseconds between two collections of this thread's garbage, which V8 would leave for minutes. */
const COLLECT_INTERVAL = 5000;
setInterval(() => globalThis.gc?.(), COLLECT_INTERVAL).unref();
