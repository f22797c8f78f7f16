import { shallowRef, type ShallowRef } from 'vue';
import { latest } from './latest.ts';

/** A list of the service's that is read again when something changes. */
export interface LiveList<Item> {
  list: ShallowRef<Item[]>;
  refresh(): Promise<void>;
  /** Reads it in `wait` milliseconds, once for all who ask until then. */
  lookSoon(wait: number): void;
}

/** Keeps a list of the service's; of several readings the newest counts. */
export function liveList<Item>(read: () => Promise<Item[]>, fail: (thrown: unknown) => void): LiveList<Item> {
  const list = shallowRef<Item[]>([]);
  const listings = latest();
  const refresh = async (): Promise<void> => {
    await listings.ask(read, (now) => (list.value = now), fail);
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const lookSoon = (wait: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void refresh();
    }, wait);
  };
  return { list, refresh, lookSoon };
}
