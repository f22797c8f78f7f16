import { defineStore } from 'pinia';
import { computed, ref, watch } from 'vue';
import type { OpenRequest } from '../../src-main/protocol/desktop.ts';
import type { RunState } from '../../src-main/protocol/events.ts';
import { latest } from '../composables/latest.ts';
import { useDataset } from './dataset.ts';
import { useNotices } from './notices.ts';
import { usePreferences } from './preferences.ts';
import { useQueue } from './queue.ts';
import { useRecipeFile } from './recipe-file.ts';
import { useRecipe } from './recipe.ts';
import { useRunTable } from './run-table.ts';
import { useRun } from './run.ts';
import { useService } from '../composables/use-service.ts';

/** The view that a request is shown in. */
type Shown = 'train' | 'data' | 'recipe';
/** Ends that a person is notified of; one who stops a run knows. */
const NOTIFIED: readonly RunState[] = ['finished', 'failed', 'crashed'];

/** The window beside others on a desktop: what it is asked to open, and what it tells while nobody looks at it. */
export const useDesktop = defineStore('desktop', () => {
  const service = useService();
  const preferences = usePreferences();
  const queue = useQueue();
  const notices = useNotices();
  const run = useRun();
  const table = useRunTable();
  const dataset = useDataset();
  const recipe = useRecipe();
  const recipeFile = useRecipeFile();
  const { host } = service.shell;
  /** Whether the browser lets the page tell things; 'granted' where the native side does. */
  const permission = ref(host ? 'granted' : typeof Notification === 'undefined' ? 'denied' : Notification.permission);
  const canAsk = computed(() => preferences.notify && permission.value === 'default');

  /** Runs that are opened here, while no other run is opened by hand. */
  const openings = latest(() => run.currentId);
  const openRun = async (id: string): Promise<Shown | null> => {
    const isNewest = openings.begin();
    await run.refresh();
    if (!isNewest()) return null;
    await run.open(id);
    return 'train';
  };
  /** Opens what lies at a path: a folder of images, a run, a recipe or weights to fine-tune. */
  const openPath = async (given: string): Promise<Shown | null> => {
    const isNewest = openings.begin();
    const { kind, path, reading } = await service.call('system.look', { path: given });
    if (!isNewest()) return null;
    if (kind === 'run') return (await table.openFolder(path)) ? 'train' : null;
    if (kind === 'data') void dataset.open(path);
    else if (reading) recipeFile.read(reading);
    else recipe.fineTuneFrom({ path });
    return kind === 'data' ? 'data' : 'recipe';
  };
  /** Opens what the window is asked to. @returns the view that shows it; null for none. */
  const open = async (request: OpenRequest): Promise<Shown | null> => {
    if (request.kind === 'path') return openPath(request.path);
    if (request.run) return openRun(request.run);
    queue.shown = true;
    return null;
  };
  /** Hears what the window is asked to open, and has its view shown. */
  const onOpened = (show: (view: Shown) => void): void =>
    host?.onOpen((request) => {
      void open(request).then((view) => view && show(view), notices.fail);
    });

  /** Asks the browser whether the page may tell how runs end. */
  const allow = async (): Promise<void> => {
    permission.value = await Notification.requestPermission();
  };
  /** A browser's notification; the native side has its own. */
  const tell = (id: string, title: string): void => {
    if (host || !preferences.notify || permission.value !== 'granted' || document.hasFocus()) return;
    const notification = new Notification(title, { body: id, icon: '/favicon.ico' });
    notification.onclick = () => {
      window.focus();
      void openRun(id).then((view) => view && (window.location.hash = '#/train'), notices.fail);
    };
  };
  /** Hears of each run that ends by itself. */
  const onEnd = (listener: (run: string, state: RunState) => void): void =>
    service.onEvent((event) => {
      if (event.event !== 'run') return;
      for (const row of event.rows)
        if (row.type === 'state' && NOTIFIED.includes(row.state)) listener(event.run, row.state);
    });

  const told = computed(() => ({
    locale: preferences.locale,
    notify: preferences.notify,
    keepAwake: preferences.keepAwake,
  }));
  watch(told, (now) => host?.tellSettings(now), { immediate: true });
  return { canAsk, open, onOpened, allow, tell, onEnd };
});
