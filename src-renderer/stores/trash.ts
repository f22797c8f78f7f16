import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { Trash, TrashItem } from '../../src-main/protocol/data-types.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useNotices } from './notices.ts';

/** Keeps the trash of runs, to take back or to remove for good. */
export const useTrash = defineStore('trash', () => {
  const service = useService();
  const notices = useNotices();
  const trash = shallowRef<Trash>({ days: 0, items: [] });

  const readings = latest();
  const readTrash = async (): Promise<void> => {
    await readings.ask(
      () => service.call('trash.list', {}),
      (read) => (trash.value = read),
      notices.fail,
    );
  };
  const restore = ({ kind, run: id, file }: TrashItem): Promise<boolean> =>
    notices.quietly(async () => {
      if (file === null) await service.call('run.restore', { run: id });
      else await service.call(kind === 'export' ? 'export.restore' : 'checkpoint.restore', { run: id, file });
    });
  const empty = (items: readonly TrashItem[]): Promise<boolean> =>
    notices.quietly(() =>
      service.call('trash.empty', { items: items.map(({ run: id, file }) => ({ run: id, file })) }),
    );

  service.onEvent((event) => {
    if (event.event === 'runs') void readTrash();
  });
  service.onOpen(() => void readTrash());
  return { trash, restore, empty };
});
