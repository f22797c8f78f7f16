import { readonly, ref, type Ref } from 'vue';

/** Requests one after the other, of which only the newest counts. */
export interface Latest {
  /** True while the newest is on its way. */
  readonly busy: Readonly<Ref<boolean>>;
  /** Begins a request, so that those before it are outdated. @returns whether it is still the one that counts. */
  begin(): () => boolean;
  /** Makes what is on its way outdated: a person has closed what it was for, or typed something newer. */
  drop(): void;
  /**
   * Asks, and hands over the answer or the failure of the newest request alone.
   * @returns whether its answer was taken.
   */
  ask<Answer>(
    request: () => Promise<Answer>,
    take: (answer: Answer) => void,
    fail: (thrown: unknown) => void,
  ): Promise<boolean>;
}

/**
 * Keeps late answers from overwriting newer ones.
 * @param subject what a request is for, such as the open run: an answer is outdated too once that is another.
 */
export function latest(subject: () => unknown = () => null): Latest {
  const busy = ref(false);
  let newest = 0;

  const begin = (): (() => boolean) => {
    const [own, of] = [++newest, subject()];
    return () => own === newest && of === subject();
  };
  const drop = (): void => {
    newest++;
    busy.value = false;
  };
  const ask: Latest['ask'] = async (request, take, fail) => {
    const isNewest = begin();
    const own = newest;
    busy.value = true;
    try {
      const answer = await request();
      if (isNewest()) take(answer);
      return isNewest();
    } catch (thrown) {
      if (isNewest()) fail(thrown);
      return false;
    } finally {
      if (own === newest) busy.value = false;
    }
  };
  return { busy: readonly(busy), begin, drop, ask };
}
