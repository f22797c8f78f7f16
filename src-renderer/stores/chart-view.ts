import { defineStore } from 'pinia';
import { ref, watch } from 'vue';
import { isRecord, keep, readKept } from './kept.ts';

/** How the charts are shown, kept between starts. */
export const useChartView = defineStore('chart-view', () => {
  const kept = readKept('charts', {}, isRecord);
  const xLog = ref(kept['xLog'] === true);
  watch(xLog, () => keep('charts', { xLog: xLog.value }));
  return { xLog };
});
