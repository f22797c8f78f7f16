import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { MOST_PIECE_BYTES, type PhotoAnswer } from '../../src-main/protocol/evaluation.ts';
import { useService } from '../composables/use-service.ts';

/** An image that a person tries on a run, and what came back. */
export const usePhoto = defineStore('photo', () => {
  const service = useService();
  const asking = ref(false);
  const answer = shallowRef<PhotoAnswer | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const held = shallowRef<Blob | null>(null);
  let number = 0;

  /** Shows an image to the run's newest checkpoint. */
  const ask = async (image: Blob, run: string): Promise<void> => {
    const own = ++number;
    held.value = image;
    asking.value = true;
    error.value = null;
    try {
      const photo = `photo-${own}`;
      const bytes = new Uint8Array(await new Response(image).arrayBuffer());
      for (let offset = 0; offset === 0 || offset < bytes.length; offset += MOST_PIECE_BYTES)
        await service.call('photo.add', {
          photo,
          offset,
          data: base64(bytes.subarray(offset, offset + MOST_PIECE_BYTES)),
        });
      const read = await service.call('photo.answer', { photo, run });
      if (own === number) answer.value = read;
    } catch (thrown) {
      if (own === number) error.value = toPlainError(thrown);
    } finally {
      if (own === number) asking.value = false;
    }
  };
  return { asking, answer, error, held, ask };
});

function base64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
