import { createApp, defineComponent, h, shallowRef } from 'vue';
import ChartCard from '../../../src-renderer/components/charts/ChartCard.vue';
import { Pyramid } from '../../../src-renderer/components/charts/pyramid.ts';
import type { Range, Series } from '../../../src-renderer/components/charts/series.ts';
import { createTranslations } from '../../../src-renderer/i18n/index.ts';
import '../../../src-renderer/styles/tokens.css';
import '../../../src-renderer/styles/base.css';
import '../../../src-renderer/styles/controls.css';

/** The page of the bench: one chart card, as the window has it, with many long runs. */

export interface Frames {
  /** Milliseconds between frames, and of script in each. */
  between: number[];
  script: number[];
  /** Milliseconds of tasks over 50 ms. */
  longTasks: number[];
}

const COLORS = ['total', 'class', 'distillation', 'fused', 'validation', 'other'];
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]];

function makeRun(run: number, points: number): Series {
  const x = new Float64Array(points);
  const y = new Float32Array(points);
  for (let index = 0; index < points; index++) {
    x[index] = index + 1;
    const noise = Math.sin(index * 12.9898 + run) * Math.sin(index * 0.7133);
    y[index] = 0.5 + run / 40 + 6 * Math.exp(-index / (20_000 + 2_000 * run)) + 0.08 * noise;
  }
  const pyramids = [new Pyramid(), new Pyramid(true)];
  return {
    ...{ id: `run-${run}`, label: `Run ${run + 1}`, color: `series-${COLORS[run % 6]}`, width: 1.5 },
    dash: DASHES[Math.floor(run / 6) % 4],
    ...{ x, y },
    pyramid: (log) => {
      pyramids[Number(log)].follow(y, 0);
      return pyramids[Number(log)];
    },
  };
}

function mount(runs: number, points: number): void {
  const series = Array.from({ length: runs }, (_, run) => makeRun(run, points));
  const range = shallowRef<Range | null>(null);
  const all = { min: 1, max: points };
  const write = (value: number): string => value.toPrecision(4);
  const page = defineComponent(
    () => () =>
      h(ChartCard, {
        ...{ heading: 'Loss', file: 'loss', unit: '', note: '', series, version: 1, look: '', cursor: null, empty: '' },
        x: {
          ...{ range: range.value ?? all, all, label: 'Step', log: false, clock: false, whole: true },
          format: String,
        },
        ...{ format: write, tick: write },
        onRange: (next: Range | null) => (range.value = next),
      }),
  );
  createApp(page).use(createTranslations()).mount('#app');
}

/** Zooms in and out and pans by the chart's own wheel for some seconds, once a frame. */
async function drive(seconds: number): Promise<Frames> {
  const frames: Frames = { between: [], script: [], longTasks: [] };
  new PerformanceObserver((list) => list.getEntries().forEach((one) => frames.longTasks.push(one.duration))).observe({
    entryTypes: ['longtask'],
  });
  const plot = document.querySelector<HTMLElement>('.plot')!;
  const own = window.requestAnimationFrame.bind(window);
  let script = 0;
  window.requestAnimationFrame = (work) =>
    own((time) => {
      const began = performance.now();
      work(time);
      script += performance.now() - began;
    });
  const began = performance.now();
  let last = NaN;
  for (let turn = 0; performance.now() - began < 1000 * seconds; turn++) {
    const time = await new Promise<number>((resolve) => own(resolve));
    if (!Number.isNaN(last)) {
      frames.between.push(time - last);
      frames.script.push(script);
    }
    last = time;
    script = 0;
    const sent = performance.now();
    const pans = turn % 120 >= 60;
    const delta = pans ? (turn % 20 < 10 ? 30 : -30) : turn % 60 < 30 ? -40 : 40;
    const wheel = { deltaY: delta, ctrlKey: true, shiftKey: pans, bubbles: true, cancelable: true };
    plot.dispatchEvent(new WheelEvent('wheel', { ...wheel, clientX: 500, clientY: 120 }));
    script += performance.now() - sent;
  }
  window.requestAnimationFrame = own;
  return frames;
}

Object.assign(window, { bench: { mount, drive } });
