import { serveCrew } from '../data/crew-threads.ts';
import { loadLibrary } from '../runtime/library.ts';
import { engineDecodeNow } from './engine-decode.ts';
import type { DecoderData } from './picture-crew.ts';

/** A thread of the trainer that reads, decodes and augments pictures (`dist/main/picture.mjs`). */
serveCrew(({ folder, context }: DecoderData) => engineDecodeNow({ tf: loadLibrary(folder), context }));
