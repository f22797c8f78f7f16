import { defineStore } from 'pinia';
import { shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { MOST_PIECE_BYTES, type PhotoAnswer } from '../../src-main/protocol/evaluation.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useRun } from './run.ts';

/** Weights that are asked in place of the open run. */
export interface PhotoWeights {
  name: string;
  path: string;
}

/** An image that a person tries on the open run or on weights from elsewhere, and what came back. */
export const usePhoto = defineStore('photo', () => {
  const service = useService();
  const open = useRun();
  const answer = shallowRef<PhotoAnswer | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const held = shallowRef<Blob | null>(null);
  const weights = shallowRef<PhotoWeights | null>(null);
  const asking = latest();
  let number = 0;

  const send = async (image: Blob, run: string): Promise<PhotoAnswer> => {
    const photo = `photo-${++number}`;
    const bytes = new Uint8Array(await new Response(image).arrayBuffer());
    for (let offset = 0; offset === 0 || offset < bytes.length; offset += MOST_PIECE_BYTES) {
      const data = base64(bytes.subarray(offset, offset + MOST_PIECE_BYTES));
      await service.call('photo.add', { photo, offset, data });
    }
    return service.call('photo.answer', { photo, ...(weights.value ? { path: weights.value.path } : { run }) });
  };
  /** Shows an image to the run's newest checkpoint, or to the weights that were chosen. */
  const ask = async (image: Blob, run: string): Promise<void> => {
    held.value = image;
    error.value = null;
    await asking.ask(
      () => send(image, run),
      (read) => (answer.value = read),
      (thrown) => (error.value = toPlainError(thrown)),
    );
  };
  // What one network says of an image is not what another says; the image itself can be tried again.
  watch(
    () => [open.currentId, weights.value?.path],
    () => {
      asking.drop();
      answer.value = error.value = null;
    },
  );
  return { asking: asking.busy, answer, error, held, weights, ask };
});

function base64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
