import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { ExportSize } from '../../src-main/protocol/export.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useRun } from './run.ts';

/** What a checkpoint of the open run will take in each format, before anything is written. */
export const useExportSizes = defineStore('export-sizes', () => {
  const service = useService();
  const run = useRun();
  const list = shallowRef<ExportSize[]>([]);
  const readings = latest(() => run.currentId);
  const take = (read: ExportSize[]): void => {
    list.value = read;
  };
  const ask = async (checkpoint: string, average: boolean): Promise<void> => {
    list.value = [];
    if (!checkpoint) return readings.drop();
    const sizes = () => service.call('export.sizes', { run: run.currentId, checkpoint, average });
    // What keeps them from being known keeps the export too, which says it.
    await readings.ask(sizes, take, () => undefined);
  };
  return { list, ask };
});
