import { defineStore } from 'pinia';
import { computed, markRaw, ref, shallowReactive, shallowRef, type Ref } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { RunDetail, RunSummary } from '../../src-main/protocol/data-types.ts';
import { ENDED, type HistoryRow, type RankState, type RunState, type StepRow } from '../../src-main/protocol/events.ts';
import type { Recipe } from '../../src-main/protocol/recipe.ts';
import type { ReportRequest } from '../../src-main/protocol/study.ts';
import { gathered } from '../composables/gathered.ts';
import { latest } from '../composables/latest.ts';
import { isText, keep, readKept } from '../composables/kept.ts';
import { useNotices } from './notices.ts';
import { useStartQuestion } from './start-question.ts';
import { RunHistory } from '../history/run-history.ts';
import { appendLate, historyOf, unseen, wholeHistory } from '../history/whole-history.ts';
import { useService } from '../composables/use-service.ts';

/** Milliseconds between two paintings of new points: quick enough to look live, and the window stays idle. */
const REPAINT_INTERVAL = 100;

/** Tells whether a trainer works on the run. */
export const isActive = (state: RunState): boolean => !ENDED.includes(state);

/** All runs, and the history of the one that is open. Points live in {@link RunHistory}; `version` tells of new ones. */
export const useRun = defineStore('run', () => {
  const runs = runList();
  const opened = openRun(runs);
  return { ...runs, ...opened, ...runActs(runs, opened) };
});

/** All runs, the newest first. */
function runList() {
  const service = useService();
  const notices = useNotices();
  const list = shallowRef<RunSummary[]>([]);
  const listed = ref(false);
  const active = computed(() => list.value.find((run) => isActive(run.state)) ?? null);

  let refreshing: Promise<void> | null = null;
  let again = false;
  /** Reads the list of runs; calls that come while one is under way are answered by one more reading after it. */
  const refresh = (): Promise<void> => {
    if (refreshing) {
      again = true;
      return refreshing;
    }
    refreshing = (async () => {
      do {
        again = false;
        list.value = (await service.call('run.list', {})).sort((one, other) => other.created - one.created);
        listed.value = true;
      } while (again);
    })().finally(() => (refreshing = null));
    return refreshing;
  };
  service.onEvent((event) => {
    const news = event.event === 'run' && event.rows.some((row) => row.type === 'state');
    if (event.event === 'runs' || news) void refresh().catch(notices.fail);
  });
  return { list, listed, active, refresh };
}
type Runs = ReturnType<typeof runList>;

/** The run that is open, with its points, and the latest step of each that trains. */
function openRun({ list, active, refresh }: Runs) {
  const service = useService();
  const notices = useNotices();
  const currentId = ref(readKept('run', '', isText));
  const error = shallowRef<PlainError | null>(null);
  const points = shownPoints(currentId);
  const { detail, version } = points;
  const summary = computed(() => list.value.find((run) => run.id === currentId.value) ?? detail.value?.summary ?? null);

  const openings = latest();
  /** Opens a run: its recipe and its whole history. */
  const open = async (run: string): Promise<void> => {
    if (run !== detail.value?.summary.id) points.show(null, new RunHistory());
    currentId.value = run;
    keep('run', run);
    error.value = null;
    const isNewest = openings.begin();
    const early = points.gather();
    try {
      const read = await service.call('run.detail', { run });
      if (!isNewest()) return;
      const fresh = new RunHistory();
      read.history.forEach((row) => fresh.append(row));
      unseen(read.history, early).forEach((row) => fresh.append(row));
      points.show(read, fresh);
      if (!read.stepRows) return;
      // Puts every step row into the place of the few that came first. Rows that come meanwhile go into both.
      const late = points.gather(true);
      const { whole, detail: last } = await wholeHistory(historyOf(service, run), read);
      if (!isNewest()) return;
      appendLate(whole, last.history, late);
      points.show(last, whole);
    } catch (thrown) {
      if (!isNewest()) return;
      points.show(null, new RunHistory());
      error.value = toPlainError(thrown);
    }
  };
  /** Opens the run kept from last time, else the newest, once the list is known. */
  const openAny = async (): Promise<void> => {
    const wanted = list.value.find((run) => run.id === currentId.value) ?? active.value ?? list.value[0];
    if (wanted) return open(wanted.id);
    openings.drop();
    currentId.value = '';
    points.show(null, new RunHistory());
  };
  service.onOpen(() => void refresh().then(openAny).catch(notices.fail));
  return {
    currentId,
    detail,
    history: points.history,
    live: points.live,
    ranks: points.ranks,
    version,
    error,
    summary,
    open,
    openAny,
  };
}

/** Keeps the points of the open run: rows come in when they are drawn, not one by one. */
function shownPoints(currentId: Ref<string>) {
  const service = useService();
  const detail = shallowRef<RunDetail | null>(null);
  const history = shallowRef(markRaw(new RunHistory()));
  const version = ref(0);
  /** The latest step row of each run that reported one since the window opened. */
  const live = shallowReactive(new Map<string, StepRow>());
  /** The processes of each run that several train, as they reported last. */
  const ranks = shallowReactive(new Map<string, RankState[]>());
  let arrived: { run: string; rows: HistoryRow[] }[] = [];
  /** Where rows go that come while the run is being read, and whether they are drawn too. */
  let gatheredRows: { rows: HistoryRow[]; drawn: boolean } | null = null;

  const show = (read: RunDetail | null, points: RunHistory): void => {
    gatheredRows = null;
    detail.value = read && markRaw(read);
    history.value = markRaw(points);
    version.value++;
  };
  /** Keeps the rows that come until the next {@link show}. @param drawn whether they are also shown now. */
  const gather = (drawn = false): HistoryRow[] => (gatheredRows = { rows: [], drawn }).rows;
  const take = (run: string, rows: HistoryRow[]): void => {
    const step = rows.filter((row): row is StepRow => row.type === 'step').pop();
    if (step) live.set(run, step);
    if (run !== currentId.value) return;
    if (!gatheredRows || gatheredRows.drawn) rows.forEach((row) => history.value.append(row));
    gatheredRows?.rows.push(...rows);
  };
  const flush = gathered(() => {
    const batch = arrived;
    arrived = [];
    batch.forEach(({ run, rows }) => take(run, rows));
    version.value++;
  }, REPAINT_INTERVAL);
  service.onEvent((event) => {
    if (event.event === 'ranks') ranks.set(event.run, event.ranks);
    if (event.event !== 'run') return;
    arrived.push({ run: event.run, rows: event.rows });
    flush();
  });
  return { detail, history, version, live, ranks, show, gather };
}

/** Carries out a person's actions on runs. */
function runActs({ refresh }: Runs, { currentId, open, openAny }: ReturnType<typeof openRun>) {
  const service = useService();
  const notices = useNotices();
  const question = useStartQuestion();
  const starting = ref(false);

  /**
   * Starts a run and opens it; while others train, a person is asked. @returns its id; null when it waits instead.
   * @throws what the service refuses it for.
   */
  const start = async (recipe: Recipe, processes?: number): Promise<string | null> => {
    starting.value = true;
    try {
      const what = { recipe: { ...recipe }, ...(processes !== undefined && { processes }) };
      const begin = (anyway: boolean) => service.call('run.start', { ...what, anyway });
      const begun = await question.startOr(begin, what);
      if (!begun) return null;
      const { run } = begun;
      const before = currentId.value;
      await refresh();
      // Who has opened another run meanwhile wants to see that one.
      if (currentId.value === before) await open(run);
      return run;
    } finally {
      starting.value = false;
    }
  };
  const quietly = (work: () => Promise<unknown>): Promise<boolean> =>
    notices.quietly(async () => {
      await work();
      await refresh();
    });
  const stop = (run: string): Promise<boolean> => quietly(() => service.call('run.stop', { run }));
  const pause = (run: string): Promise<boolean> => quietly(() => service.call('run.pause', { run }));
  /** Has a paused run go on. */
  const proceed = (run: string): Promise<boolean> => quietly(() => service.call('run.continue', { run }));
  /**
   * Resumes from the run's last complete checkpoint, or from the one named; `changes` are settings to go on with.
   * @returns whether it goes on.
   */
  const resume = async (run: string, checkpoint?: string, changes?: Partial<Recipe>): Promise<boolean> => {
    let begun: boolean | null = null;
    await quietly(async () => {
      const what = { run, ...(checkpoint !== undefined && { checkpoint }), ...(changes && { changes }) };
      // What waits goes on from the newest checkpoint with its own settings.
      const waiting = checkpoint === undefined && !changes ? { resume: run } : null;
      const begin = (anyway: boolean): Promise<true> =>
        service.call('run.resume', { ...what, anyway }).then(() => true);
      begun = await question.startOr(begin, waiting);
      if (run === currentId.value) await open(run);
    });
    return begun === true;
  };
  /**
   * Goes on from a run folder or a checkpoint, by its path, and opens the run. @returns whether it goes on.
   * @throws what the service refuses it for.
   */
  const resumeFrom = async (path: string): Promise<boolean> => {
    const begun = await question.startOr((anyway) => service.call('run.resume-from', { path, anyway }), null);
    if (!begun) return false;
    await refresh();
    await open(begun.run);
    return true;
  };
  const remove = (run: string): Promise<boolean> =>
    quietly(async () => {
      await service.call('run.delete', { run });
      await refresh();
      if (run === currentId.value) await openAny();
    });
  const report = (run: string, asked: ReportRequest): Promise<{ path: string }> =>
    service.call('run.report', { run, ...asked });
  return { starting, start, stop, pause, proceed, resume, resumeFrom, remove, report };
}
