import { createApp, defineComponent, h, nextTick, shallowRef } from 'vue';
import ChartCard from '../../../src-renderer/components/charts/ChartCard.vue';
import type { Range } from '../../../src-renderer/components/charts/series.ts';
import { createTranslations } from '../../../src-renderer/i18n/index.ts';
import { dashesOf, RUN_COLORS } from '../../../src-renderer/stores/run-colors.ts';
import { RunHistory } from '../../../src-renderer/history/run-history.ts';
import '../../../src-renderer/styles/tokens.css';
import '../../../src-renderer/styles/base.css';
import '../../../src-renderer/styles/controls.css';
import { TrainCharts, type ChartSpec } from '../../../src-renderer/views/train-charts.ts';
import type { Frames } from './frames.ts';

/** The page of the bench: chart cards of many long runs, built and drawn as the Train view does. */

/** A history as its rows would make it: the losses and speeds of a distilling run. */
function historyOf(run: number, points: number): RunHistory {
  const history = new RunHistory();
  history.steps.reserve(points);
  for (let step = 1; step <= points; step++) {
    const noise = Math.sin(step * 12.9898 + run) * Math.sin(step * 0.7133);
    const loss = 0.5 + run / 40 + 6 * Math.exp(-step / (20_000 + 2_000 * run)) + 0.08 * noise;
    history.append({
      ...{ type: 'step', time: 400 * step, epoch: 0, step, stepsPerEpoch: 1000, loss, lossClass: loss * 1.1 },
      ...{ lossDistillation: loss * 0.9, lr: 1e-3 / (1 + step / 1e5), imagesPerSecond: 90 + 9 * noise, secondsLeft: 0 },
      ...{ memory: 1e9 + step, anatomy: { dataWait: 1, feed: 2, step: 300 + 20 * noise } },
    });
  }
  return history;
}

const FORMAT = (value: number): string => value.toPrecision(4);

/** Shows the first `count` charts of a run beside others, as the Train view does on a screen of 1280 pixels. */
function mount(runs: number, points: number, count: number): void {
  const drawn = Array.from({ length: runs }, (_, run) => ({
    ...{ id: `run-${run + 1}`, history: historyOf(run, points), color: RUN_COLORS[run % RUN_COLORS.length] },
  }));
  const dashes = dashesOf(drawn.map(({ color }) => color));
  const builder = new TrainCharts();
  const legend = runs > 1 ? drawn.map(({ id, color }, index) => ({ id, color, dash: dashes[index] })) : [];
  const range = shallowRef<Range | null>(null);
  const all = { min: 1, max: points };
  const dashed = drawn.map((run, index) => ({ ...run, dash: dashes[index] }));
  const charts = builder.build(dashed, 'step', 0.6, (key) => key).filter(({ series }) => series.length > 0);
  const card = ({ id, series }: ChartSpec) =>
    h(ChartCard, {
      ...{ key: id, heading: id, file: id, unit: '', note: '', series, runs: legend, version: 1, look: '' },
      ...{ cursor: null, empty: '', format: FORMAT, tick: FORMAT },
      x: {
        ...{ range: range.value ?? all, all, label: 'Step', log: false, clock: false, whole: true },
        format: String,
      },
      onRange: (next: Range | null) => (range.value = next),
    });
  const style = { display: 'grid', gap: '12px', gridTemplateColumns: `repeat(${Math.min(2, count)}, minmax(0, 1fr))` };
  const page = defineComponent(() => () => h('div', { style }, charts.slice(0, count).map(card)));
  createApp(page).use(createTranslations()).mount('#app');
}

/** Frames of an empty page while something small moves in it: what the machine can show at all. */
async function rest(seconds: number): Promise<Frames> {
  const dot = document.body.appendChild(document.createElement('div'));
  Object.assign(dot.style, { width: '8px', height: '8px', background: 'teal' });
  return frames(seconds, (turn) => void (dot.style.transform = `translateX(${turn % 300}px)`));
}

/** Zooms in and out and pans by the chart's own wheel for some seconds, once a frame. */
function drive(seconds: number): Promise<Frames> {
  const plot = document.querySelector<HTMLElement>('.plot')!;
  const { left, top, width, height } = plot.getBoundingClientRect();
  const middle = { clientX: left + width / 2, clientY: top + height / 2 };
  return frames(seconds, (turn) => {
    const pans = turn % 120 >= 60;
    const delta = pans ? (turn % 20 < 10 ? 30 : -30) : turn % 60 < 30 ? -40 : 40;
    const wheel = { deltaY: delta, ctrlKey: true, shiftKey: pans, bubbles: true, cancelable: true };
    plot.dispatchEvent(new WheelEvent('wheel', { ...wheel, ...middle }));
  });
}

/** Does `work` once a frame; script is that of the work, of what Vue does for it, and of the drawing that follows. */
async function frames(seconds: number, work: (turn: number) => void): Promise<Frames> {
  const seen: Frames = { between: [], script: [], longTasks: [], drawings: [] };
  const drawn = new Map<unknown, number>();
  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...given: unknown[]) {
    drawn.set(this, (drawn.get(this) ?? 0) + 1);
    Reflect.apply(put, this, given);
  };
  const watcher = new PerformanceObserver((list) =>
    list.getEntries().forEach((one) => seen.longTasks.push(one.duration)),
  );
  watcher.observe({ entryTypes: ['longtask'] });
  const own = window.requestAnimationFrame.bind(window);
  let script = 0;
  window.requestAnimationFrame = (draw) =>
    own((time) => {
      const began = performance.now();
      draw(time);
      script += performance.now() - began;
    });
  const began = performance.now();
  let last = NaN;
  // As a browser tells of the wheel: in a task between two frames.
  const { port1, port2 } = new MessageChannel();
  const task = () => new Promise((resolve) => ((port1.onmessage = resolve), port2.postMessage(0)));
  for (let turn = 0; performance.now() - began < 1000 * seconds; turn++) {
    const time = await new Promise<number>((resolve) => own(resolve));
    if (!Number.isNaN(last)) {
      seen.between.push(time - last);
      seen.script.push(script);
    }
    last = time;
    script = 0;
    await task();
    const sent = performance.now();
    work(turn);
    await nextTick();
    script += performance.now() - sent;
  }
  window.requestAnimationFrame = own;
  CanvasRenderingContext2D.prototype.putImageData = put;
  seen.drawings = [...drawn.values()].map((count) => count / seconds);
  watcher.disconnect();
  return seen;
}

Object.assign(window, { bench: { mount, rest, drive } });
