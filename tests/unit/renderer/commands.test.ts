import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, test } from 'vitest';
import { createApp } from 'vue';
import { serve } from '../../../src-main/protocol/rpc.ts';
import { readMenu } from '../../../src-main/shells/electron/menu-parts.ts';
import { clientKey, keepConnected } from '../../../src-renderer/client/connect.ts';
import { bound, commandOf, keysOf, unbound } from '../../../src-renderer/commands/bindings.ts';
import { useContext, type Context } from '../../../src-renderer/commands/context.ts';
import { entriesOf } from '../../../src-renderer/commands/entries.ts';
import { menuOf, titleOf, type Translate } from '../../../src-renderer/commands/menu.ts';
import { COMMANDS, type Command } from '../../../src-renderer/commands/table.ts';
import { isReserved } from '../../../src-renderer/components/shell/keys.ts';
import { rank, score } from '../../../src-renderer/components/shell/palette.ts';
import { createTranslations } from '../../../src-renderer/i18n/index.ts';
import type { OwnKeys } from '../../../src-renderer/stores/preferences.ts';
import { portPair } from '../../helpers/port-pair.ts';
import { ScriptedService } from '../../helpers/scripted-service.ts';
import { eventually } from '../../helpers/wait.ts';

const { global } = createTranslations();
const inLanguage =
  (locale: 'en' | 'zh-CN'): Translate =>
  (key, params = {}) =>
    global.t(key, params, { locale });
const [en, zh] = [inLanguage('en'), inLanguage('zh-CN')];
const command = (id: string): Command => COMMANDS.find((one) => one.id === id)!;

describe('the table', () => {
  test('has a title in both languages for every id, and each id once', () => {
    expect(new Set(COMMANDS.map(({ id }) => id)).size).toBe(COMMANDS.length);
    for (const one of COMMANDS) {
      expect([one.id, titleOf(one, en)]).not.toEqual([one.id, `commands.titles.${one.id}`]);
      expect([one.id, /[\u4e00-\u9fff]/.test(titleOf(one, zh))]).toEqual([one.id, true]);
    }
    for (const t of [en, zh]) expect(new Set(COMMANDS.map((one) => titleOf(one, t))).size).toBe(COMMANDS.length);
  });

  test('gives each key once', () => {
    const keys = COMMANDS.flatMap((one) => one.keys);
    expect(keys.filter((key, at) => keys.indexOf(key) !== at)).toEqual([]);
  });

  test('gives every command a key that a browser leaves to a page, and none that edits', () => {
    for (const one of COMMANDS) {
      expect([one.id, keysOf(one, {}, true).length > 0]).toEqual([one.id, true]);
      expect([one.id, one.keys.filter((key) => isReserved(key, false))]).toEqual([one.id, []]);
    }
  });
});

describe('keys of a person', () => {
  test('take the place of those a command comes with', () => {
    const own = bound({}, 'stop', 'Mod+Shift+S', false);
    expect(commandOf('Mod+Shift+S', own, false)?.id).toBe('stop');
    expect(commandOf('Alt+S', own, false)).toBeNull();
    expect(keysOf(command('stop'), bound({}, 'stop', '', false), false)).toEqual([]);
  });

  test('are taken from whom had them, and given back by a reset', () => {
    const own = bound({}, 'pause', 'Mod+Shift+P', false);
    expect(commandOf('Mod+Shift+P', own, false)?.id).toBe('pause');
    expect(keysOf(command('palette'), own, false)).toEqual(['Mod+K']);
    const back = unbound(own, 'palette');
    expect(commandOf('Mod+Shift+P', back, false)?.id).toBe('palette');
    expect(keysOf(command('pause'), back, false)).toEqual([]);
  });

  test('no key ever has two commands, whatever is bound and reset', () => {
    let own: OwnKeys = {};
    const keys = COMMANDS.flatMap((one) => one.keys);
    for (let turn = 0; turn < 400; turn++) {
      const { id } = COMMANDS[(turn * 7) % COMMANDS.length];
      own = turn % 3 === 2 ? unbound(own, id) : bound(own, id, keys[(turn * 5) % keys.length], false);
      const now = COMMANDS.flatMap((one) => keysOf(one, own, false));
      expect(new Set(now).size).toBe(now.length);
    }
  });
});

describe('with a service', () => {
  let service: ScriptedService;
  let now: Context;
  let went: string[];
  beforeEach(() => {
    service = new ScriptedService();
    went = [];
    const pinia = createPinia();
    createApp({})
      .use(pinia)
      .provide(
        clientKey,
        keepConnected({
          reloadToReconnect: false,
          host: null,
          open: async () => {
            const pair = portPair();
            service.onEvent(serve(pair.far, service.handlers));
            return pair.near;
          },
          imageUrl: (id) => id,
        }),
      );
    setActivePinia(pinia);
    now = { ...useContext(), go: (view) => went.push(view) };
  });
  const why = (id: string): string | null => command(id).blocked?.(now)?.key ?? null;

  test('a command that cannot be done says why', async () => {
    await eventually(() => expect(now.run.listed).toBe(true));
    expect(why('stop')).toBe('commands.why.noneTrains');
    expect(why('resume')).toBe('commands.why.noRun');
    expect(why('open-run')).toBe('commands.why.noRuns');
    expect(why('start')).toBe('recipe.blocked.data');
    expect(why('reset-zoom')).toBe('commands.why.notZoomed');
    for (const one of COMMANDS)
      for (const t of [en, zh]) {
        const reason = one.blocked?.(now);
        if (reason) expect(t(reason.key, reason.params)).not.toContain(reason.key);
      }
  });

  test('a run is paused, goes on and stops, from whatever run is open', async () => {
    const training = service.addRun({ state: 'running', epochs: 1 });
    const other = service.addRun({ state: 'stopped', epochs: 1 });
    await eventually(() => expect(now.run.currentId).not.toBe(''));
    await now.run.open(other);
    expect([why('pause'), why('continue'), why('stop')]).toEqual([null, 'commands.why.notPaused', null]);
    await command('pause').act(now);
    expect(now.run.list.find(({ id }) => id === training)?.state).toBe('paused');
    await command('continue').act(now);
    await command('stop').act(now);
    expect(now.run.list.find(({ id }) => id === training)?.state).toBe('stopped');
    expect(why('pause')).toBe('commands.why.noneTrains');
    expect(why('resume')).toBeNull();
    service.runs.forEach((run) => (run.readOnly = true));
    await now.run.refresh();
    expect(why('resume')).toBe('runTable.readOnlyHelp');
  });

  test('the menu has every command, and is one that the native side takes', async () => {
    await eventually(() => expect(now.run.listed).toBe(true));
    for (const t of [en, zh])
      for (const mac of [true, false]) {
        const menu = menuOf(now, {}, mac, t);
        expect(readMenu(menu)).toEqual(menu);
        const ids = menu.flatMap(({ items }) => items.flatMap((item) => (item.kind === 'command' ? [item.id] : [])));
        expect(ids.sort()).toEqual(COMMANDS.map(({ id }) => id).sort());
      }
    const stop = menuOf(now, { stop: ['Mod+Shift+S'] }, false, en)
      .flatMap(({ items }) => items)
      .find((item) => item.kind === 'command' && item.id === 'stop');
    expect(stop).toMatchObject({ label: 'Stop training', accelerator: 'CmdOrCtrl+Shift+S', enabled: false });
  });

  test('the palette finds commands, runs, presets and settings, in the other language too', async () => {
    const run = service.addRun({ state: 'stopped', epochs: 1 });
    service.runs[0].tags = ['baseline'];
    await eventually(() => expect(now.run.list).toHaveLength(1));
    await now.run.refresh();
    const all = entriesOf(now, {}, true, { t: zh, locale: 'zh-CN', english: en });
    const first = (typed: string): string => rank(all, typed, 'all')[0]?.id ?? '';
    expect(first('停止')).toBe('command-stop');
    expect(first('stop train')).toBe('command-stop');
    expect(first('warmup-lr')).toBe('setting-warmupLr');
    expect(first('baseline')).toBe(`run-${run}`);
    expect(rank(all, 'zzqqxx', 'all')).toEqual([]);
    expect(rank(all, '', 'all').some(({ kind }) => kind === 'setting')).toBe(false);
    expect(rank(all, '', 'preset').every(({ kind }) => kind === 'preset')).toBe(true);
    const stop = all.find(({ id }) => id === 'command-stop')!;
    expect(stop).toMatchObject({ key: 'Alt+S', reason: '现在没有运行在训练。' });

    await all.find(({ id }) => id === 'setting-lr')!.act();
    expect(now.overlay.take('field')).toEqual({ to: 'field', key: 'lr' });
    expect([now.overlay.take('field'), went]).toEqual([null, ['recipe']]);
  });
});

test('of what is found the closest comes first, and nothing is found for letters that are not there', () => {
  const order = (typed: string, ...texts: string[]): string[] =>
    texts.sort((one, other) => score(typed, other) - score(typed, one));
  expect(order('stop', 'Nonstop', 'Do stop', 'Stop training', 'Set top')).toEqual([
    'Stop training',
    'Do stop',
    'Nonstop',
    'Set top',
  ]);
  expect(score('gd', 'Go to Data')).toBeGreaterThan(0);
  expect(score('go xyz', 'Go to Data')).toBe(0);
  expect(score('  ', 'Go to Data')).toBeGreaterThan(0);
});
