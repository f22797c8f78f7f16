import { defineStore } from 'pinia';
import { ref, shallowRef, watch } from 'vue';
import { isRecord, keep, readKept } from '../composables/kept.ts';

/** Holds how the charts are shown; scale and marks are kept between starts. */
export const useChartView = defineStore('chart-view', () => {
  const kept = readKept('charts', {}, isRecord);
  const xLog = ref(kept['xLog'] === true);
  /** Draw what happened to the run along the x axis. */
  const marks = ref(kept['marks'] !== false);
  /** The part of the x axis that all charts show; null is everything, also as it grows. */
  const zoom = shallowRef<{ min: number; max: number } | null>(null);
  watch([xLog, marks], () => keep('charts', { xLog: xLog.value, marks: marks.value }));
  return { xLog, marks, zoom };
});
