import { defineStore } from 'pinia';
import { ref, shallowRef, watch } from 'vue';
import { isRecord, keep, readKept } from './kept.ts';

/** How the charts are shown; the scale is kept between starts. */
export const useChartView = defineStore('chart-view', () => {
  const kept = readKept('charts', {}, isRecord);
  const xLog = ref(kept['xLog'] === true);
  /** What all charts show of the x axis; null is everything, also as it grows. */
  const zoom = shallowRef<{ min: number; max: number } | null>(null);
  watch(xLog, () => keep('charts', { xLog: xLog.value }));
  return { xLog, zoom };
});
