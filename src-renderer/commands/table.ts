import type { RunSummary } from '../../src-main/protocol/data-types.ts';
import type { RunState } from '../../src-main/protocol/events.ts';
import type { WeightState } from '../../src-main/protocol/weight-data.ts';
import { VIEWS, type ViewName } from '../components/shell/views.ts';
import type { Reason } from '../stores/recipe-check.ts';
import { isActive } from '../stores/run.ts';
import type { WeightUse } from '../stores/weight-uses.ts';
import type { Context } from './context.ts';

export const COMMAND_GROUPS = ['file', 'training', 'weights', 'go', 'chart', 'view', 'help'] as const;
export type CommandGroup = (typeof COMMAND_GROUPS)[number];

/** One thing that a person can ask of the window: by key, in the palette, from the menu. */
export interface Command {
  id: string;
  group: CommandGroup;
  /** The keys it comes with, as `keys.ts` writes them; a browser keeps some for itself, then the next one counts. */
  keys: readonly string[];
  /** The view in which its key counts; the palette and the menu have it everywhere. */
  only?: ViewName;
  /** Why it cannot be done now; null when it can. Without it, it always can. */
  blocked?: (now: Context) => Reason | null;
  /** Whether what it switches is on. */
  on?: (now: Context) => boolean;
  act: (now: Context) => unknown;
}

const because = (key: string, params: Reason['params'] = {}): Reason => ({ key, params });
const unconnected = ({ system }: Context): Reason | null =>
  system.connection === 'open' ? null : because('recipe.blocked.connection');

/** The run that trains: the open one first. */
function training({ run }: Context): RunSummary | null {
  return run.summary && isActive(run.summary.state) ? run.summary : run.active;
}
/** The same, while it is in one of these states. */
function trains(now: Context, states: readonly RunState[], otherwise: string): Reason | null {
  const state = training(now)?.state;
  if (!state) return unconnected(now) ?? because('commands.why.noneTrains');
  return unconnected(now) ?? (states.includes(state) ? null : because(otherwise));
}
const RESUMABLE: readonly RunState[] = ['stopped', 'failed', 'crashed'];

/** Why a run cannot be written to or trained on; null when it can. */
function resumeBlocked(now: Context): Reason | null {
  const { summary } = now.run;
  if (!summary) return unconnected(now) ?? because('commands.why.noRun');
  if (summary.readOnly) return because('runTable.readOnlyHelp');
  return unconnected(now) ?? (RESUMABLE.includes(summary.state) ? null : because('commands.why.notResumable'));
}
function startBlocked(now: Context): Reason | null {
  return now.run.starting ? because('commands.why.starting') : recipeBlocked(now);
}
function recipeBlocked({ check }: Context): Reason | null {
  return check.blockers[0] ?? (check.errors.length ? because('commands.why.errors') : null);
}
/** What is done with weights, and its key on their page. */
const USES: readonly [WeightUse, string][] = [
  ['teacher', 'Alt+H'],
  ['start', 'Alt+J'],
  ['evaluate', 'Alt+V'],
  ['photo', 'Alt+I'],
];
/** Why nothing can be done with the chosen weights; null when it can. */
function weightsBlocked(now: Context, states: readonly WeightState[], otherwise: string): Reason | null {
  const { chosen } = now.weights;
  if (!chosen) return unconnected(now) ?? because('commands.why.noWeights');
  return unconnected(now) ?? (states.includes(chosen.place.state) ? null : because(otherwise));
}
async function openData({ system, dataset, go }: Context): Promise<void> {
  const path = await system.pickFolder(dataset.path);
  if (!path) return;
  go('data');
  await dataset.open(path);
}

/**
 * Every command of the window. Keys, menu, palette and shortcut pages follow from this table. To add one:
 * "A command of the window" in docs/adding.md.
 */
export const COMMANDS: readonly Command[] = [
  { id: 'open-folder', group: 'file', keys: ['Mod+O'], blocked: unconnected, act: openData },
  {
    id: 'new-run',
    group: 'file',
    keys: ['Alt+N'],
    act: ({ overlay }) => overlay.show({ kind: 'palette', scope: 'preset' }),
  },
  {
    id: 'open-run',
    group: 'file',
    keys: ['Alt+O'],
    blocked: ({ run }) => (run.list.length ? null : because('commands.why.noRuns')),
    act: ({ overlay }) => overlay.show({ kind: 'palette', scope: 'run' }),
  },
  {
    id: 'try-photo',
    group: 'file',
    keys: ['Alt+T'],
    blocked: ({ checkpoints }) => (checkpoints.list.length ? null : because('commands.why.noCheckpoint')),
    act: ({ overlay, go }) => {
      overlay.jump = { to: 'photo' };
      go('evaluate');
    },
  },
  {
    id: 'settings',
    group: 'file',
    keys: ['Mod+,'],
    act: ({ overlay }) => overlay.show({ kind: 'settings', page: 'general' }),
  },

  {
    id: 'start',
    group: 'training',
    keys: ['Mod+Enter'],
    only: 'recipe',
    blocked: startBlocked,
    act: async ({ starting, go }) => go((await starting.begin()) ?? 'recipe'),
  },
  {
    id: 'enqueue',
    group: 'training',
    keys: ['Alt+Q'],
    only: 'recipe',
    blocked: recipeBlocked,
    act: ({ starting }) => starting.enqueue(),
  },
  { id: 'queue', group: 'training', keys: ['Alt+U'], act: ({ queue }) => (queue.shown = true) },
  {
    id: 'pause',
    group: 'training',
    keys: ['Alt+P'],
    blocked: (now) => trains(now, ['running'], 'commands.why.notRunning'),
    act: (now) => now.run.pause(training(now)!.id),
  },
  {
    id: 'continue',
    group: 'training',
    keys: ['Alt+C'],
    blocked: (now) => trains(now, ['pausing', 'paused'], 'commands.why.notPaused'),
    act: (now) => now.run.proceed(training(now)!.id),
  },
  {
    id: 'stop',
    group: 'training',
    keys: ['Alt+S'],
    blocked: (now) => trains(now, ['starting', 'running', 'pausing', 'paused'], 'commands.why.stopping'),
    act: (now) => now.run.stop(training(now)!.id),
  },
  {
    id: 'resume',
    group: 'training',
    keys: ['Alt+R'],
    blocked: resumeBlocked,
    act: ({ run, go }) => {
      go('train');
      return run.resume(run.currentId);
    },
  },

  ...VIEWS.map((view, index): Command => ({
    id: `go-${view}`,
    group: 'go',
    keys: index < 9 ? [`Mod+${index + 1}`, `Alt+${index + 1}`] : [],
    act: ({ go }) => go(view),
  })),
  {
    id: 'search-settings',
    group: 'go',
    keys: ['/'],
    act: ({ overlay, go }) => {
      overlay.jump = { to: 'search' };
      go('recipe');
    },
  },

  {
    id: 'search-weights',
    group: 'go',
    keys: ['Alt+W'],
    act: ({ overlay, go }) => {
      overlay.jump = { to: 'weights' };
      go('weights');
    },
  },
  {
    id: 'fetch-weights',
    group: 'weights',
    keys: ['Alt+G'],
    only: 'weights',
    blocked: (now) => weightsBlocked(now, ['absent', 'partial'], 'commands.why.weightsHere'),
    act: ({ weights }) => weights.get(weights.chosen!.name),
  },
  ...USES.map(([what, key]): Command => ({
    id: `weights-${what}`,
    group: 'weights',
    keys: [key],
    only: 'weights',
    blocked: (now) => weightsBlocked(now, ['absent', 'partial', 'here', 'elsewhere'], 'commands.why.weightsArrive'),
    act: ({ weights, weightUses }) => weightUses.use(weights.chosen!, what),
  })),

  {
    id: 'smoothing',
    group: 'chart',
    keys: ['Alt+M'],
    on: ({ preferences }) => preferences.smooth,
    act: ({ preferences }) => (preferences.smooth = !preferences.smooth),
  },
  {
    id: 'log-axis',
    group: 'chart',
    keys: ['Alt+X'],
    on: ({ chart }) => chart.xLog,
    act: ({ chart }) => (chart.xLog = !chart.xLog),
  },
  {
    id: 'reset-zoom',
    group: 'chart',
    keys: ['Alt+0'],
    blocked: ({ chart }) => (chart.zoom ? null : because('commands.why.notZoomed')),
    act: ({ chart }) => (chart.zoom = null),
  },

  {
    id: 'theme',
    group: 'view',
    keys: ['Alt+B'],
    act: ({ preferences }) => (preferences.theme = preferences.dark ? 'light' : 'dark'),
  },
  {
    id: 'language',
    group: 'view',
    keys: ['Alt+L'],
    act: ({ preferences }) => (preferences.locale = preferences.locale === 'en' ? 'zh-CN' : 'en'),
  },

  {
    id: 'palette',
    group: 'help',
    keys: ['Mod+K', 'Mod+Shift+P'],
    act: ({ overlay }) => overlay.show({ kind: 'palette', scope: 'all' }),
  },
  { id: 'keys', group: 'help', keys: ['?'], act: ({ overlay }) => overlay.show({ kind: 'keys' }) },
];

/** Returns the view that a command leads to, '' for any other. */
export function viewOfCommand({ id }: Command): ViewName | '' {
  return VIEWS.find((view) => id === `go-${view}`) ?? '';
}
