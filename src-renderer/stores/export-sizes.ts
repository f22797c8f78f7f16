import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { ExportSize } from '../../src-main/protocol/export.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useRun } from './run.ts';

/**
 * Reckons what a checkpoint of the open run, or other weights, will take in each format, before anything is written.
 */
export const useExportSizes = defineStore('export-sizes', () => {
  const service = useService();
  const run = useRun();
  const list = shallowRef<ExportSize[]>([]);
  const readings = latest(() => run.currentId);
  const take = (read: ExportSize[]): void => {
    list.value = read;
  };
  /** @param of a checkpoint of the open run, or weights of no run; an empty name asks for nothing. */
  const ask = async (of: { checkpoint: string; average: boolean } | { weights: string }): Promise<void> => {
    list.value = [];
    const isOther = 'weights' in of;
    if (!(isOther ? of.weights : of.checkpoint)) return readings.drop();
    const sizes = () => service.call('export.sizes', isOther ? of : { run: run.currentId, ...of });
    // What keeps them from being known keeps the export too, which says it.
    await readings.ask(sizes, take, () => undefined);
  };
  return { list, ask };
});
